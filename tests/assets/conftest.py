"""An empty cache without a network, and a way to offer an archive as a user would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saebench.assets import ASSETS, Asset


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network: what would reach a registry raises."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("reached for a registry")

    root = tmp_path / "cache"
    monkeypatch.setenv("SAEBENCH_CACHE", str(root))
    monkeypatch.setattr("saebench.assets.registries.subprocess.Popen", refuse)
    monkeypatch.setattr("saebench.assets.registries.urllib.request.urlopen", refuse)
    return root


@pytest.fixture
def offer(cache: Path) -> Iterator[Callable[[Asset, bytes], Asset]]:
    """Register an asset and put its archive where a user would put it."""
    added = []

    def put(asset: Asset, archive: bytes) -> Asset:
        folder = cache / "assets" / "archives"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / asset.archive).write_bytes(archive)
        ASSETS.remove(asset.name)
        ASSETS.add(asset.name, asset)
        added.append(asset.name)
        return asset

    yield put
    for name in added:
        ASSETS.remove(name)
