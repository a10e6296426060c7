"""A world with known features: texts whose activations hold orthogonal directions that follow from their labels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saebench.activations.sets import ActivationSet
from saebench.bench import GroupBench
from saebench.data.packing import PackedRows
from saebench.data.texts import Document
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context
from saebench.dictionaries.fakes import RandomLinear
from saebench.fakes import FakeSubject, bench_of

D = 24
NUISANCE = range(8, D)


def features(seed: int = 0) -> torch.Tensor:
    """`[D, D]` orthonormal rows."""
    return torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(seed)))[0]


def write_table(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], spec: str) -> Path:
    """A user's data set: a table and its YAML file."""
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nfile: {name}.csv\n{spec}")
    return path


@dataclass
class Planted:
    """Hands out activations that were planted instead of a model's.

    `active(text)` gives the label features of a text with their strengths; nuisance features fire at random.
    """

    active: Callable[[str], Mapping[int, float]]
    texts: Mapping[str, str]
    harvests: int = 0

    @classmethod
    def of(cls, texts: Sequence[str], active: Callable[[str], Mapping[int, float]]) -> Planted:
        return cls(active, {Document("", text).hash: text for text in texts})

    def harvest(self, rows: PackedRows, site: str) -> ActivationSet:
        self.harvests += 1
        codes = np.zeros((rows.n_rows, rows.context, D))
        for row, key in enumerate(rows.document_ids):
            draw = np.random.default_rng(int(key[:8], 16))
            codes[row][:, NUISANCE] = draw.uniform(0.5, 1.5, (rows.context, len(NUISANCE))) * (
                draw.random((rows.context, len(NUISANCE))) < 0.2
            )
            for feature, strength in self.active(self.texts[key]).items():
                codes[row, :, feature] = strength * (draw.random(rows.context) < 0.5)
        x = torch.from_numpy(codes).float() @ features()
        mask = torch.from_numpy(rows.mask)
        x[~mask] = 77.0
        return ActivationSet.from_tensor(x, mask, torch.from_numpy(rows.documents).clamp(min=0))

    def bench(self, lm: Any, params: Any, **settings: Any) -> GroupBench:
        made = bench_of(lm, params, **settings)
        made.harvest = self.harvest  # type: ignore[method-assign]
        return made


@dataclass(eq=False)
class Counting(RandomLinear):
    """Counts tokens that it encodes."""

    seen: list[int] = field(default_factory=list)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        self.seen.append(len(x))
        return super().encode(x, context)


def subjects(dictionaries: Mapping[str, Any]) -> list[FakeSubject]:
    return [FakeSubject(made, name) for name, made in dictionaries.items()]


class MemoryJournal:
    """Keeps what was saved; ends the run by an interruption after `left` saves."""

    def __init__(self, left: int = -1) -> None:
        self.kept: tuple[int, dict[str, Any]] | None = None
        self.left = left

    def load(self) -> tuple[int, dict[str, Any]] | None:
        return self.kept

    def save(self, blocks_done: int, arrays: Mapping[str, Any]) -> None:
        self.kept = (blocks_done, dict(arrays))
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
