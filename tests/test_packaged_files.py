from __future__ import annotations

from pathlib import Path

import pytest

from saebench import packaged_files
from saebench.errors import InputError


def test_a_checkout_uses_the_folders_that_people_edit() -> None:
    root = Path(packaged_files.__file__).parents[1]
    assert packaged_files.packaged("site") == root / "leaderboard" / "site"
    assert packaged_files.packaged("suites") == root / "suites"


def test_a_wheel_uses_its_own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(packaged_files, "IN_WHEEL", tmp_path)
    assert packaged_files.packaged("site") == tmp_path / "site"


def test_missing_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_files, "IN_WHEEL", tmp_path)
    monkeypatch.setattr(packaged_files, "IN_CHECKOUT", {"site": tmp_path / "none"})
    with pytest.raises(InputError, match="reinstall"):
        packaged_files.packaged("site")
