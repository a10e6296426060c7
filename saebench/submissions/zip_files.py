"""The files of a bundle in a zip archive, read in memory.

The end record is read first: it bounds the directory that zipfile parses. Archives with a comment or with zip64
records are refused, so that there is one end record and one reading of it.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from io import BytesIO

from saebench.submissions import limits
from saebench.submissions.layout import inner_path, too_large
from saebench.submissions.refusing import refusal, shown

END = struct.Struct("<4s4H2LH")
END_MARK = b"PK\x05\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
ENTRY_BYTES = 1024
"""Directory bytes for each member: 46 and the name, with room for extra fields."""
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError, OSError, struct.error)
"""What zipfile raises at hostile archives (its NotImplementedError is a RuntimeError)."""
PLAIN = "write it again with 'zip -r NAME.zip NAME'"


def read_zip(data: bytes) -> tuple[str, dict[str, bytes]]:
    """(bundle name, path inside the bundle to content).

    Raises:
        SubmissionError: not a zip archive, or one that holds what no bundle holds or exceeds a limit.
    """
    _check_end(data)
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except BROKEN as error:
        raise refusal(f"not a sound zip archive: {shown(str(error))}", remedy=PLAIN) from error
    files: dict[str, bytes] = {}
    names: set[str] = set()
    total = 0
    for member in archive.infolist():
        name, path = inner_path(member.filename)
        names.add(name)
        _check_kind(member)
        if path is None:
            continue
        if path in files:
            raise refusal("is twice in the archive", path, remedy=PLAIN)
        total += member.file_size
        _check_size(member, path, total)
        files[path] = _content(archive, member, path)
    if len(names) != 1:
        raise refusal(f"holds {len(names)} folders", remedy="an archive holds one bundle")
    return names.pop(), files


def _check_end(data: bytes) -> None:
    if len(data) < END.size or data[-END.size :][:4] != END_MARK:
        raise refusal("not a zip archive, or one with a comment or with something behind it", remedy=PLAIN)
    _, disk, first_disk, here, entries, directory, _, comment = END.unpack(data[-END.size :])
    if comment or disk or first_disk or here != entries or data[-END.size - 20 : -END.size][:4] == ZIP64_LOCATOR:
        raise refusal("a zip archive with a comment, in several parts, or of the zip64 kind", remedy=PLAIN)
    most = limits.FILES + 3
    if entries > most or directory > most * ENTRY_BYTES:
        raise refusal(f"a bundle may have at most {limits.FILES:,} files", remedy=PLAIN)


def _check_kind(member: zipfile.ZipInfo) -> None:
    if member.filename != member.orig_filename:
        raise refusal("the name goes on behind a zero byte", member.filename, remedy=PLAIN)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if stat.S_ISLNK(kind):
        raise refusal("a symbolic link", member.filename, remedy="put the file itself there")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refusal("no plain file", member.filename)
    if member.flag_bits & ENCRYPTED:
        raise refusal("is encrypted", member.filename, remedy=PLAIN)
    if member.compress_type not in METHODS:
        raise refusal("is packed with a method other than store and deflate", member.filename, remedy=PLAIN)


def _check_size(member: zipfile.ZipInfo, path: str, total: int) -> None:
    if member.file_size > limits.FILE_BYTES:
        raise refusal(too_large("a file", limits.FILE_BYTES), path)
    if total > limits.BUNDLE_BYTES:
        raise refusal(too_large("all files together", limits.BUNDLE_BYTES), path)
    if member.file_size > limits.MEBIBYTE and member.file_size > limits.RATIO * max(1, member.compress_size):
        raise refusal(f"unpacks to more than {limits.RATIO} times its size", path, remedy="it looks like a zip bomb")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> bytes:
    """The content, read no further than the directory says."""
    try:
        with archive.open(member) as stream:
            content = stream.read(member.file_size + 1)
    except BROKEN as error:
        raise refusal(f"cannot be unpacked: {shown(str(error))}", path, remedy=PLAIN) from error
    if len(content) != member.file_size:
        raise refusal("is not of the size that the archive states", path, remedy=PLAIN)
    return content
