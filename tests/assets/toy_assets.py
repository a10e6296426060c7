"""A small pinned asset, its wheel and its tarball, made on the spot."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

from saebench.assets import Asset, Member

WANTED = b"what the asset holds\n" * 4000
OTHER = b"what nobody asked for"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(files: dict[str, bytes]) -> bytes:
    """A wheel that pip accepts, with `files` inside."""
    info = "saebench_toy_asset-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: saebench-toy-asset\nVersion: 1.0\nRequires-Dist: nothing\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tarball(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return packed.getvalue()


def pinned(asset: Asset, archive: bytes) -> Asset:
    return replace(asset, archive_size=len(archive), archive_sha256=sha256(archive))


TOY_WHEEL = wheel({"toy/wanted.txt": WANTED, "toy/other.txt": OTHER})
TOY = pinned(
    Asset(
        name="toy",
        kind="data",
        title="Toy",
        registry="pypi",
        package="saebench-toy-asset",
        version="1.0",
        archive="saebench_toy_asset-1.0-py3-none-any.whl",
        archive_size=0,
        archive_sha256="",
        members=(Member("toy/wanted.txt", "wanted.txt", len(WANTED), sha256(WANTED)),),
        licence="none",
        package_licence="none",
        note="made by a test",
    ),
    TOY_WHEEL,
)
