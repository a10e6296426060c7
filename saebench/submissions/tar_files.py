"""The files of a bundle in a .tar.gz archive, unpacked into memory up to a limit and read there."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from io import BytesIO

from saebench.submissions import limits
from saebench.submissions.layout import inner_path, too_large
from saebench.submissions.refusing import refusal, shown

PLAIN = "write it again with 'tar czf NAME.tar.gz NAME'"
BROKEN = (tarfile.TarError, RecursionError, ValueError, OverflowError, EOFError, OSError, KeyError, IndexError)
"""What tarfile raises at hostile headers: chains of them end in a RecursionError."""
HEADERS = 1536
"""Bytes of headers and padding that a member may add to its content."""


def read_tar(data: bytes) -> tuple[str, dict[str, bytes]]:
    """(bundle name, path inside the bundle to content).

    Raises:
        SubmissionError: not a .tar.gz archive, or one that holds what no bundle holds or exceeds a limit.
    """
    most = limits.BUNDLE_BYTES + (limits.FILES + 3) * HEADERS
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
            whole = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(f"not a sound gzip file: {shown(str(error))}", remedy=PLAIN) from error
    if len(whole) > most:
        raise refusal(too_large("all files together", limits.BUNDLE_BYTES), remedy="it looks like a bomb")
    if len(whole) > limits.MEBIBYTE and len(whole) > limits.RATIO * len(data):
        raise refusal(f"unpacks to more than {limits.RATIO} times its size", remedy="it looks like a bomb")
    files: dict[str, bytes] = {}
    names: set[str] = set()
    try:
        with tarfile.open(fileobj=BytesIO(whole), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count > limits.FILES + 3:
                    raise refusal(f"a bundle may have at most {limits.FILES:,} files")
                name, path = inner_path(f"{member.name}/" if member.isdir() else member.name)
                names.add(name)
                _check_kind(member)
                if path is None:
                    continue
                if path in files:
                    raise refusal("is twice in the archive", path, remedy=PLAIN)
                files[path] = _content(archive, member, path)
    except BROKEN as error:
        raise refusal(f"not a sound tar archive: {shown(str(error))}", remedy=PLAIN) from error
    if len(names) != 1:
        raise refusal(f"holds {len(names)} folders", remedy="an archive holds one bundle")
    return names.pop(), files


def _check_kind(member: tarfile.TarInfo) -> None:
    if member.issym() or member.islnk():
        kind = "symbolic" if member.issym() else "hard"
        raise refusal(f"a {kind} link", member.name, remedy="put the file itself there")
    if member.isdir():
        return
    if not member.isreg() or member.issparse():
        raise refusal("no plain file", member.name)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> bytes:
    if not 0 <= member.size <= limits.FILE_BYTES:
        raise refusal(too_large("a file", limits.FILE_BYTES), path)
    stream = archive.extractfile(member)
    content = b"" if stream is None else stream.read(member.size)
    if len(content) != member.size:
        raise refusal("is not of the size that the archive states", path, remedy=PLAIN)
    return content
