"""What the store tells about its entries, for listings, eviction and `saebench doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saebench.activations.leases import in_use
from saebench.activations.manifest import FILE, load_manifest
from saebench.assets.cache import size_of


@dataclass(frozen=True)
class StoredEntry:
    """One entry, for listings. `used` is the time of its last use, in seconds since 1970."""

    key: str
    path: Path
    bytes: int
    used: float
    in_use: bool
    complete: bool
    site: str | None
    lm: str | None
    data: str | None
    """The last three are None where the manifest is damaged."""


def describe(folder: Path) -> StoredEntry | None:
    """An entry as listed, or None when it vanished meanwhile. One that is under way counts as whole in `bytes`."""
    manifest = load_manifest(folder)
    try:
        used = (folder / FILE if manifest else folder).stat().st_mtime
    except FileNotFoundError:
        return None
    promised = manifest.bytes if manifest else 0
    return StoredEntry(
        key=folder.name,
        path=folder,
        bytes=max(size_of(folder), promised),
        used=used,
        in_use=in_use(folder),
        complete=manifest is not None and manifest.complete,
        site=manifest.key.site if manifest else None,
        lm=manifest.lm if manifest else None,
        data=manifest.data if manifest else None,
    )
