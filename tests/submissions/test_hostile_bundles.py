"""Every hostile bundle of the corpus gets its one clear refusal, and none of them does anything."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hostile_claims import CLAIMS
from toy_bundle import Files, as_tar, as_zip, in_folder, own_result, signed

from saebench.submissions import limits
from saebench.submissions.files import read_files
from saebench.submissions.known import Known
from saebench.submissions.layout import MANIFEST
from saebench.submissions.verifying import verify
from saebench.tasks import TASKS

HOSTILE = Path(__file__).parent / "hostile"
EXPECTED = yaml.safe_load((HOSTILE / "expected.yaml").read_text(encoding="utf-8"))
REPLACES = {
    "card": "submission.yaml",
    "suite": "suite.yaml",
    "environment": "environment.json",
    "manifest": MANIFEST,
    "result": "results/ID.json",
    "items": "items/ID.jsonl",
}
ACTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.mkdir", "os.rename", "os.remove",
        "os.symlink", "os.link", "os.chmod", "os.truncate", "shutil.", "socket.connect", "pickle.find_class", "ctypes.",
        "tempfile.", "exec", "marshal.loads")  # fmt: skip


class Watch:
    """What the interpreter reports of acts that a verifier has no business with. The hook cannot be taken off again."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event.startswith(ACTS):
            self.seen.append(f"{event} {arguments!r}")

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.seen.clear()
        self.on = True
        try:
            yield
        finally:
            self.on = False


@pytest.fixture(scope="session")
def watch(known: Known, built: Files, tmp_path_factory: pytest.TempPathFactory) -> Watch:
    """Imports and caches are filled first: they are the verifier's own, not the bundle's."""
    warm = tmp_path_factory.mktemp("warm")
    (warm / "bundle.zip").write_bytes(as_zip(built))
    (warm / "bundle.tar.gz").write_bytes(as_tar(built))
    for path in (in_folder(built, warm), warm / "bundle.zip", warm / "bundle.tar.gz"):
        assert verify(path, known).accepted
    for task in TASKS:
        known.task(task)
    return Watch()


def refused(path: Path, known: Known, watch: Watch, around: Path) -> str:
    """The refusals, one a line, of a bundle that must do nothing."""
    before = {file: file.lstat().st_mtime_ns for file in around.rglob("*")}
    with watch.watching():
        verdict = verify(path, known)
    assert watch.seen == []
    assert {file: file.lstat().st_mtime_ns for file in around.rglob("*")} == before
    assert not verdict.accepted
    assert verdict.bundle is None
    assert all(str(one).isprintable() and one.remedy for one in verdict.refusals)
    return "\n".join(map(str, verdict.refusals))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path of a bundle would land here."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(EXPECTED["archives"]))
def test_hostile_archive(name: str, known: Known, watch: Watch, tmp_path: Path) -> None:
    assert EXPECTED["archives"][name] in refused(HOSTILE / "archives" / name, known, watch, tmp_path)


@pytest.mark.parametrize("name", sorted(EXPECTED["texts"]))
def test_hostile_text(name: str, files: Files, known: Known, watch: Watch, tmp_path: Path) -> None:
    own = own_result(files)
    place = REPLACES[name.split("-")[0]].replace("ID", own)
    replaced = {**files, place: (HOSTILE / "texts" / name).read_bytes()}
    folder = in_folder(replaced if place == MANIFEST else signed(replaced), tmp_path)
    assert EXPECTED["texts"][name] in refused(folder, known, watch, tmp_path).replace(own, "ID")


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_false_claim(name: str, files: Files, known: Known, watch: Watch, tmp_path: Path) -> None:
    forge, expected = CLAIMS[name]
    folder = in_folder(forge(files), tmp_path)
    assert expected in refused(folder, known, watch, tmp_path)


def test_the_corpus_is_large_and_nothing_in_it_is_unexpected() -> None:
    assert len(EXPECTED["archives"]) + len(EXPECTED["texts"]) + len(CLAIMS) >= 200
    for kind in ("archives", "texts"):
        assert {file.name for file in (HOSTILE / kind).iterdir()} == set(EXPECTED[kind])


def test_the_archives_are_what_their_script_writes() -> None:
    made = runpy.run_path(str(HOSTILE / "make_archives.py"))["archives"]()
    for name, content in made.items():
        if "bomb" not in name:  # how well zeros are packed depends on the version of zlib
            assert (HOSTILE / "archives" / name).read_bytes() == content, name


def test_a_link_in_a_folder_is_not_followed(folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    card = folder / "submission.yaml"
    card.unlink()
    card.symlink_to("/etc/passwd")
    assert "submission.yaml: a symbolic link" in refused(folder, known, watch, tmp_path)


def test_a_linked_folder_is_not_entered(folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    (folder / "results").rename(tmp_path / "elsewhere")
    (folder / "results").symlink_to(tmp_path / "elsewhere")
    assert "results: does not belong in a bundle" in refused(folder, known, watch, tmp_path)


def test_a_bundle_that_is_a_link_is_refused(folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert "neither a folder nor a file" in refused(tmp_path / "link", known, watch, tmp_path)


def test_a_pipe_does_not_block(folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    import os

    (folder / "suite.yaml").unlink()
    os.mkfifo(folder / "suite.yaml")
    assert "suite.yaml: no plain file" in refused(folder, known, watch, tmp_path)


@pytest.mark.parametrize(
    "extra", ["weights.pkl", "conftest.py", ".git", "results/readme.txt", "items/__init__.py", "sitecustomize.py"]
)
def test_what_does_not_belong_is_refused(extra: str, folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    (folder / extra).write_bytes(b"open('CANARY', 'w')")
    assert f"{extra}: does not belong in a bundle" in refused(folder, known, watch, tmp_path)


def test_a_folder_in_a_folder_is_refused(folder: Path, known: Known, watch: Watch, tmp_path: Path) -> None:
    (folder / "results" / "more").mkdir()
    assert "results/more: does not belong in a bundle" in refused(folder, known, watch, tmp_path)


@pytest.mark.parametrize("name", ["Sae", "sae ", "-sae", "con", "x" * 65, "a..b", "sæ"])
def test_a_folder_has_a_portable_name(name: str, files: Files, known: Known, watch: Watch, tmp_path: Path) -> None:
    assert "cannot be the name of a submission" in refused(in_folder(files, tmp_path, name), known, watch, tmp_path)


def test_nothing_at_all(known: Known, watch: Watch, tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "nothing", known, watch, tmp_path)
    assert "no path" in refused(tmp_path / "zero\0byte", known, watch, tmp_path)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("FILE_BYTES", 1000, "a file may have at most"),
        ("BUNDLE_BYTES", 9000, "all files together may have at most"),
        ("FILES", 5, "a bundle may have at most 5 files"),
        ("RESULT_BYTES", 1000, "results/"),
        ("RESULTS_BYTES", 9000, "results: all results without their items may have at most"),
        ("ROWS", 10, "more than 10 items"),
        ("LINE_BYTES", 50, "a line may have at most 0 KiB"),
        ("COLUMNS", 3, "at most 3"),
        ("TABLES", 1, "the first line must name tables"),
        ("YAML_BYTES", 100, "it may have at most 0 KiB"),
    ],
)
def test_limits_hold_for_folders(
    limit: str, value: int, message: str, folder: Path, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, limit, value)
    assert message in str(verify(folder, known).refusals[0])


def test_an_archive_larger_than_its_limit_is_not_opened(tmp_path: Path, known: Known) -> None:
    with (tmp_path / "large.zip").open("wb") as stream:
        stream.truncate(limits.ARCHIVE_BYTES + 1)
    assert "an archive may have at most 48 MiB" in str(verify(tmp_path / "large.zip", known).refusals[0])


@pytest.mark.slow
def test_a_bomb_of_many_gigabytes_stays_small_in_memory(tmp_path: Path) -> None:
    import gzip
    import tracemalloc

    from saebench.errors import SubmissionError

    with gzip.open(tmp_path / "bomb.tar.gz", "wb", compresslevel=1) as stream:
        for _ in range(300):
            stream.write(bytes(2**20))
    tracemalloc.start()
    try:
        with pytest.raises(SubmissionError, match="all files together"):
            read_files(tmp_path / "bomb.tar.gz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * limits.BUNDLE_BYTES
