from __future__ import annotations

from pathlib import Path

import pytest

from saebench import packaged_files
from saebench.errors import InputError

KINDS: tuple[packaged_files.Kind, ...] = ("suites", "baselines", "site")


def test_a_checkout_uses_the_folders_that_people_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_files, "IN_WHEEL", tmp_path / "none")
    monkeypatch.setattr(packaged_files, "IN_CHECKOUT", dict.fromkeys(KINDS, tmp_path))
    assert all(packaged_files.packaged(kind) == tmp_path for kind in KINDS)


def test_what_is_installed_carries_every_file_of_the_checkout() -> None:
    """Holds for a wheel and for an editable installation alike."""
    root = Path(__file__).parents[1]
    folders = {"suites": root / "suites", "baselines": root / "baselines", "site": root / "leaderboard" / "site"}
    for kind in KINDS:
        there = packaged_files.packaged(kind)
        for file in folders[kind].rglob("*"):
            if file.is_file():
                assert (there / file.relative_to(folders[kind])).read_bytes() == file.read_bytes(), file


def test_a_wheel_uses_its_own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(packaged_files, "IN_WHEEL", tmp_path)
    assert packaged_files.packaged("site") == tmp_path / "site"


def test_missing_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_files, "IN_WHEEL", tmp_path)
    monkeypatch.setattr(packaged_files, "IN_CHECKOUT", {"site": tmp_path / "none"})
    with pytest.raises(InputError, match="reinstall"):
        packaged_files.packaged("site")
