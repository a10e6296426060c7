"""What is installed, where caches lie, and what would fail: behind `saebench doctor`."""

from __future__ import annotations

import platform
import shutil
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from saebench.errors import UnknownName
from saebench.registry import near_misses

PACKAGES = ("torch", "transformers", "sae-lens", "lm-eval", "mlflow", "pandas", "scikit-learn", "datasets")
CACHES = ("activations", "artefacts", "assets", "worlds")
KEPT = ("archives", ".locks")
"""In the folder of assets: archives that a user put there, and locks."""
ROOM_NEEDED = 3e9
"""Bytes that the quickstart wants free in the cache."""


@dataclass(frozen=True)
class Health:
    """Sections of rows, each row with `name`, a value and, where something would fail, `problem`."""

    sections: tuple[tuple[str, list[dict[str, Any]]], ...]

    def to_json(self) -> dict[str, Any]:
        """Section title to rows."""
        return {title.replace(" ", "_"): rows for title, rows in self.sections}


def examine() -> Health:
    """Look at packages, devices, caches and helpers. Loads torch."""
    import torch

    from saebench.assets.cache import cache_entries, cache_folder

    packages: list[dict[str, Any]] = [
        {"name": "saebench", "version": version("saebench"), "problem": None},
        {"name": "python", "version": platform.python_version(), "problem": None},
    ]
    for name in PACKAGES:
        try:
            packages.append({"name": name, "version": version(name), "problem": None})
        except PackageNotFoundError:
            needed = (
                "Hugging Face data sets need it: pip install saebench[hub]"
                if name == "datasets"
                else "reinstall saebench"
            )
            packages.append({"name": name, "version": None, "problem": needed})
    devices: list[dict[str, Any]] = [{"name": "cpu", "value": f"{torch.get_num_threads()} threads"}]
    if torch.cuda.is_available():
        devices += [
            {"name": f"cuda:{index}", "value": torch.cuda.get_device_name(index)}
            for index in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "value": "available"})
    root = cache_folder()
    free = shutil.disk_usage(existing(root)).free
    room = None if free > ROOM_NEEDED else f"the quickstart wants {ROOM_NEEDED / 1e9:.0f} GB: set SAEBENCH_CACHE"
    caches: list[dict[str, Any]] = [{"name": str(root), "megabytes": None, "problem": None}]
    held: dict[str, list[int]] = defaultdict(list)
    for entry in cache_entries():
        held[entry.name.partition("/")[0]].append(entry.bytes)
    caches += [
        {"name": room, "entries": len(sizes), "megabytes": round(sum(sizes) / 1e6, 1), "problem": None}
        for room, sizes in held.items()
    ]
    caches.append({"name": "free", "megabytes": round(free / 1e6), "problem": room})
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    helpers = [
        {
            "name": "chromium",
            "value": chromium,
            "problem": None if chromium else "browser tests need it: apt-get install chromium chromium-driver",
        }
    ]
    return Health((("packages", packages), ("devices", devices), ("caches", caches), ("helpers", helpers)))


def existing(path: Path) -> Path:
    """The nearest folder above `path` that exists."""
    while not path.exists():
        path = path.parent
    return path


def clear(name: str) -> int:
    """Empty one cache, or "all"; activations that a living process reads stay. Returns the bytes that this freed.

    Raises:
        UnknownName: no such cache.
    """
    from saebench.activations.store import ActivationStore
    from saebench.assets.cache import cache_folder, size_of, storage_errors

    if name not in {*CACHES, "all"}:
        raise UnknownName("cache", name, near_misses(name, dict.fromkeys(CACHES)), (*CACHES, "all"))
    freed = ActivationStore().empty() if name in {"activations", "all"} else 0
    made = [cache_folder() / room for room in ("artefacts", "assets", "worlds") if name in {room, "all"}]
    for entry in [entry for folder in made if folder.is_dir() for entry in folder.iterdir()]:
        if entry.name in KEPT or entry.suffix == ".lock":
            continue
        freed += size_of(entry)
        with storage_errors(entry):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return freed
