"""A language model that `saebench fetch` can bring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saebench.progress import Progress


@dataclass(frozen=True)
class PackagedModel:
    """An entry of `LMS`. Third parties may register anything with the same `description` and `folder`.

    Attributes:
        asset: name of the asset that holds the model.
        description: one line for a list.
    """

    asset: str
    description: str

    def folder(self, progress: Progress) -> Path:
        """A local Hugging Face folder with the model; fetched on first use, from the cache afterwards.

        Raises:
            AssetError: it cannot be fetched, or its content is not the pinned one.
        """
        from saebench.assets import fetch

        return fetch(self.asset, progress)
