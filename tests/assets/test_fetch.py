import errno
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from toy_assets import OTHER, TOY, TOY_WHEEL, WANTED, pinned, sha256, tarball, wheel

from saebench.assets import ASSETS, Asset, Member, fetch, is_fetched
from saebench.errors import AssetError, StorageError, UnknownName

Offer = Callable[[Asset, bytes], Asset]


def visible(cache: Path) -> list[str]:
    """What a fetch has left beside locks and the user's own archives."""
    return sorted(
        path.name for path in (cache / "assets").iterdir() if path.suffix != ".lock" and path.name != "archives"
    )


def test_only_the_named_member_is_extracted(offer: Offer) -> None:
    offer(TOY, TOY_WHEEL)
    folder = fetch("toy")
    assert (folder / "wanted.txt").read_bytes() == WANTED
    assert sorted(path.name for path in folder.iterdir()) == ["asset.json", "wanted.txt"]


def test_once_cached_neither_archive_nor_network_is_needed(offer: Offer, cache: Path) -> None:
    offer(TOY, TOY_WHEEL)
    assert not is_fetched("toy")
    folder = fetch("toy")
    (cache / "assets" / "archives" / TOY.archive).unlink()
    assert is_fetched("toy")
    assert fetch("toy") == folder


def test_an_unknown_name_has_near_misses() -> None:
    with pytest.raises(UnknownName, match="stories15m"):
        fetch("storys15m")


def test_a_member_cut_in_half_is_made_again(offer: Offer) -> None:
    offer(TOY, TOY_WHEEL)
    member = fetch("toy") / "wanted.txt"
    member.write_bytes(WANTED[: len(WANTED) // 2])
    assert not is_fetched("toy")
    assert (fetch("toy") / "wanted.txt").read_bytes() == WANTED


def test_other_bytes_of_the_same_size_are_noticed(offer: Offer) -> None:
    offer(TOY, TOY_WHEEL)
    member = fetch("toy") / "wanted.txt"
    member.write_bytes(WANTED[::-1])
    os.utime(member, ns=(1, 1))
    assert (fetch("toy") / "wanted.txt").read_bytes() == WANTED


def test_a_copied_cache_is_accepted_after_one_hash_and_recorded(offer: Offer) -> None:
    offer(TOY, TOY_WHEEL)
    folder = fetch("toy")
    inode = folder.stat().st_ino
    os.utime(folder / "wanted.txt", ns=(1, 1))
    assert fetch("toy").stat().st_ino == inode
    assert json.loads((folder / "asset.json").read_text())["files"]["wanted.txt"]["mtime_ns"] == 1


@pytest.mark.parametrize("record", ["", "{", "[]", '{"files": 3}', '{"files": {"wanted.txt": {}}}'])
def test_a_damaged_record_makes_the_asset_again(offer: Offer, record: str) -> None:
    offer(TOY, TOY_WHEEL)
    (fetch("toy") / "asset.json").write_text(record)
    assert (fetch("toy") / "wanted.txt").read_bytes() == WANTED
    assert is_fetched("toy")


@pytest.mark.parametrize("archive", [TOY_WHEEL[:-10], TOY_WHEEL[:-1] + b"!"], ids=["short", "altered"])
def test_an_archive_that_is_not_the_pinned_one_is_refused(offer: Offer, cache: Path, archive: bytes) -> None:
    offer(TOY, archive)
    with pytest.raises(AssetError, match="delete it, or put the right") as caught:
        fetch("toy")
    assert str(cache / "assets" / "archives" / TOY.archive) in str(caught.value)
    assert visible(cache) == []


@pytest.mark.parametrize(
    ("archive", "complaint"),
    [
        (wheel({"toy/other.txt": OTHER}), "has no regular file toy/wanted.txt"),
        (wheel({"toy/wanted.txt": WANTED[:-1]}), "is not the pinned content"),
        (wheel({"toy/wanted.txt": WANTED + b"!"}), "is not the pinned content"),
        (wheel({"toy/wanted.txt": WANTED[::-1]}), "is not the pinned content"),
        (b"no archive at all", "not a sound archive"),
    ],
)
def test_a_member_that_is_missing_or_differs_is_refused(
    offer: Offer, cache: Path, archive: bytes, complaint: str
) -> None:
    offer(pinned(TOY, archive), archive)
    with pytest.raises(AssetError, match=complaint):
        fetch("toy")
    assert visible(cache) == []


def test_a_tarball_gives_its_member_and_never_a_link(offer: Offer, cache: Path) -> None:
    npm = replace(TOY, registry="npm", archive="toy-1.0.tgz", members=(replace(TOY.members[0], path="package/wanted"),))
    good = tarball({"../escape": OTHER, "/absolute": OTHER, "package/wanted": WANTED})
    offer(pinned(npm, good), good)
    assert (fetch("toy") / "wanted.txt").read_bytes() == WANTED
    assert not (cache.parent / "escape").exists()
    bad = tarball({}, links={"package/wanted": "/etc/hostname"})
    offer(pinned(npm, bad), bad)
    with pytest.raises(AssetError, match="has no regular file package/wanted"):
        fetch("toy")


def test_a_conversion_that_gives_other_weights_is_refused(
    offer: Offer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saebench.assets.lm_folder.make", lambda members, ready: "f" * 32, raising=False)
    offer(replace(TOY, kind="lm", maker="saebench.assets.lm_folder:make", weights_hash="0" * 32), TOY_WHEEL)
    with pytest.raises(AssetError, match=f"hash to {'f' * 32}, pinned is {'0' * 32}"):
        fetch("toy")
    assert visible(cache) == []


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(
    offer: Offer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    offer(TOY, TOY_WHEEL)
    monkeypatch.setattr("saebench.assets.fetching.extract", full)
    with pytest.raises(StorageError, match="the disk is full"):
        fetch("toy")
    assert visible(cache) == []


FETCH_IN_A_PROCESS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import saebench.assets.fetching as room
from toy_assets import TOY, TOY_WHEEL
from saebench.assets import ASSETS
ASSETS.add("toy", TOY)
log = Path(sys.argv[2])

def slowly(asset, folder, progress, remedy):
    (folder / asset.archive).write_bytes(TOY_WHEEL[:50])
    with log.open("a") as stream:
        stream.write("download\\n")
    time.sleep(float(sys.argv[3]))
    (folder / asset.archive).write_bytes(TOY_WHEEL)
    return folder / asset.archive

room.download = slowly
print(room.fetch("toy"))
"""


def start(log: Path, seconds: float) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", textwrap.dedent(FETCH_IN_A_PROCESS), here, str(log), str(seconds)]
    return POPEN(command, stdout=subprocess.PIPE, text=True)


POPEN = subprocess.Popen


def test_two_processes_do_the_work_once(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    both = [start(log, 1.0), start(log, 1.0)]
    folders = {process.communicate()[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert log.read_text() == "download\n"
    assert [(Path(folder) / "wanted.txt").read_bytes() for folder in folders] == [WANTED]


def test_a_kill_leaves_nothing_half_and_the_next_fetch_clears_up(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    killed = start(log, 600)
    while not log.exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    assert [name for name in visible(cache) if not name.startswith(".toy-making-")] == []
    again = start(log, 0)
    folder = Path(again.communicate()[0].strip())
    assert (folder / "wanted.txt").read_bytes() == WANTED
    assert visible(cache) == [folder.name]


def test_members_with_the_content_of_the_pin_only(offer: Offer) -> None:
    two = replace(TOY, members=(*TOY.members, Member("toy/other.txt", "second.txt", len(OTHER), sha256(OTHER))))
    offer(two, TOY_WHEEL)
    folder = fetch("toy")
    assert (folder / "second.txt").read_bytes() == OTHER
    assert folder.name.endswith(two.revision)
    assert "toy" in ASSETS
