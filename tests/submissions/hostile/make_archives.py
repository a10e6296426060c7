"""Writes the hostile archives beside this file, always the same bytes: `python make_archives.py`.

All are refused for their container, before anything in them is read, so they need no sound content.
"""

from __future__ import annotations

import gzip
import io
import pickle
import stat
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "archives"
ITEMS = f"my-sae/items/{'0' * 32}.jsonl"
CARD = "my-sae/submission.yaml"
MEBIBYTE = 2**20


class Canary:
    """Unpickled, it writes a file."""

    def __reduce__(self):
        return (Path.write_text, (Path("CANARY"), "unpickled"))


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name) if isinstance(name, str) else name, content, method)
    return buffer.getvalue()


def of_mode(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = mode << 16
    return member


def flagged(data: bytes, flag: int) -> bytes:
    """General-purpose flag bits set in the one local header and the one directory entry."""
    edited = bytearray(data)
    entry = data.index(b"PK\x01\x02")
    for place in (6, entry + 8):
        edited[place : place + 2] = struct.pack("<H", struct.unpack_from("<H", data, place)[0] | flag)
    return bytes(edited)


def lying_size(data: bytes) -> bytes:
    """The directory states fewer bytes than the member has."""
    edited = bytearray(data)
    entry = data.index(b"PK\x01\x02")
    edited[entry + 24 : entry + 28] = struct.pack("<L", 3)
    return bytes(edited)


def many(data: bytes) -> bytes:
    """The end record states 65,000 members."""
    return data[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_000, 65_000, 46 * 65_000, 0, 0)


def overlapping() -> bytes:
    """Three directory entries that share one member's bytes."""
    data = zipped((CARD, b"name: x\n" * 4))
    start = data.index(b"PK\x01\x02")
    entry = data[start:-22]
    return data[:start] + entry * 3 + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, len(entry) * 3, start, 0)


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def pax(path: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(CARD)
    member.pax_headers = {"path": path}
    return member


def pax_chain(length: int = 4000) -> bytes:
    """Extended headers, each about the next: a reader that calls itself for each runs out of stack."""
    record = b"11 path=ab\n"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    block = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    return gzip.compress(block * length + bytes(1024), mtime=0)


def negative_size() -> bytes:
    header = bytearray(tarfile.TarInfo(CARD).tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(bytes(header) + bytes(1024), mtime=0)


def archives() -> dict[str, bytes]:
    warnings.simplefilter("ignore", UserWarning)
    plain = zipped((CARD, b"name: my-sae\n"))
    return {
        "traversal.zip": zipped(("my-sae/../../CANARY", b"out")),
        "traversal_back.zip": zipped(("my-sae\\..\\..\\CANARY", b"out")),
        "traversal_inside.zip": zipped(("my-sae/results/../../CANARY", b"out")),
        "absolute.zip": zipped(("/tmp/CANARY", b"out")),
        "drive.zip": zipped(("C:/CANARY", b"out")),
        "symlink.zip": zipped((of_mode(CARD, stat.S_IFLNK | 0o777), b"/etc/passwd")),
        "device.zip": zipped((of_mode(CARD, stat.S_IFCHR | 0o666), b"")),
        "fifo.zip": zipped((of_mode(CARD, stat.S_IFIFO | 0o666), b"")),
        "encrypted.zip": flagged(plain, 1),
        "bomb.zip": zipped((ITEMS, bytes(33 * MEBIBYTE))),
        "ratio_bomb.zip": zipped((ITEMS, bytes(2 * MEBIBYTE))),
        "lying_size.zip": lying_size(plain),
        "duplicate.zip": zipped((CARD, b"a: 1\n"), (CARD, b"b: 2\n")),
        "case_collision.zip": zipped((CARD, b"a: 1\n"), ("my-sae/SUBMISSION.yaml", b"b: 2\n")),
        "turned_name.zip": zipped(("my-sae/\u202elmay.noissimbus", b"")),
        "look_alike_name.zip": zipped(("my-sae/submissi\u043en.yaml", b"")),
        "nul_name.zip": zipped(("my-sae/submission.yamlX.exe", b"")).replace(b"yamlX.exe", b"yaml\0.exe"),
        "nested.zip": zipped(("my-sae/more.zip", plain)),
        "pickle.zip": zipped(("my-sae/weights.pkl", pickle.dumps(Canary(), protocol=2))),
        "python.zip": zipped(("my-sae/conftest.py", b"open('CANARY', 'w')\n")),
        "two_folders.zip": zipped((CARD, b""), ("other/suite.yaml", b"")),
        "no_folder.zip": zipped(("submission.yaml", b"")),
        "hidden_folder.zip": zipped((".git/config", b"")),
        "reserved_name.zip": zipped(("con/submission.yaml", b"")),
        "odd_name.zip": zipped(("My SAE/submission.yaml", b"")),
        "comment.zip": plain[:-2] + b"\x07\x00comment",
        "trailing.zip": plain + b"#!/bin/sh\n",
        "zip64.zip": plain[:-22] + b"PK\x06\x07" + bytes(16) + plain[-22:],
        "truncated.zip": plain[:-30],
        "broken_directory.zip": plain.replace(b"PK\x01\x02", b"PK\x01\x03"),
        "bzip2.zip": zipped((CARD, b"name: my-sae\n"), method=zipfile.ZIP_BZIP2),
        "many_files.zip": many(plain),
        "overlapping.zip": overlapping(),
        "text.zip": b"this is no archive\n",
        "empty.zip": zipped(),
        "traversal.tar.gz": tarred((entry("my-sae/../../CANARY"), b"out")),
        "absolute.tar.gz": tarred((entry("/tmp/CANARY"), b"out")),
        "symlink.tar.gz": tarred((entry(CARD, tarfile.SYMTYPE, "/etc/passwd"), b"")),
        "folder_symlink.tar.gz": tarred((entry("my-sae/results", tarfile.SYMTYPE, "/tmp"), b"")),
        "hard_link.tar.gz": tarred((entry(CARD, tarfile.LNKTYPE, "/etc/passwd"), b"")),
        "fifo.tar.gz": tarred((entry(CARD, tarfile.FIFOTYPE), b"")),
        "device.tar.gz": tarred((entry(CARD, tarfile.CHRTYPE), b"")),
        "sparse.tar.gz": tarred((entry(CARD, tarfile.GNUTYPE_SPARSE), b""), form=tarfile.GNU_FORMAT),
        "ratio_bomb.tar.gz": tarred((entry(ITEMS), bytes(2 * MEBIBYTE))),
        "duplicate.tar.gz": tarred((entry(CARD), b"a: 1\n"), (entry(CARD), b"b: 2\n")),
        "pax_path.tar.gz": tarred((pax("my-sae/../../CANARY"), b"out"), form=tarfile.PAX_FORMAT),
        "pax_chain.tar.gz": pax_chain(),
        "negative_size.tar.gz": negative_size(),
        "truncated.tar.gz": tarred((entry(CARD), b"name: my-sae\n"))[:-12],
        "dot_slash.tar.gz": tarred((entry(f"./{CARD}"), b"")),
        "text.tar.gz": b"this is no archive\n",
        "gzip_of_text.tar.gz": gzip.compress(b"this is no archive\n" * 40, mtime=0),
        "weights.pkl": pickle.dumps(Canary(), protocol=2),
    }


def write_archives() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in archives().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    write_archives()
