"""Questions whose answers a synthetic world knows, as labelled files that tasks read like any user's.

Texts are single samples with numbers that no corpus of the world holds. Labels: whether a feature is on (sparse
probing, detection), which of mutually exclusive siblings is on (TPP), and whether each of two roots is on (SCR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from saebench.errors import UsageError
from saebench.results.atomic import write_bytes

if TYPE_CHECKING:
    from saebench.lm.synthetic.world import World

POOL = 32_768
"""Samples that questions are drawn from."""
PROBED = 24
"""Features that sparse probing asks for: as many frequent ones as rare ones, evenly over their ranks."""
ROWS = 240
"""Samples with each answer."""
SIBLINGS = 12
CROSSED = 8
LICENCE = "made by saebench"

Params = dict[str, Any]
Array = np.ndarray[Any, Any]


class Samples:
    """Samples of a world behind its corpus, with what is on in each.

    Args:
        world: whose.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.numbers = np.arange(POOL) + world.preset.samples
        self._magnitudes = world.samples(self.numbers).tocsc()
        self.count = np.diff(self._magnitudes.indptr)

    def where(self, feature: int) -> Array:
        """Whether a feature is on, bool `[POOL]`."""
        held = self._magnitudes
        column = np.zeros(POOL, dtype=bool)
        column[held.indices[held.indptr[feature] : held.indptr[feature + 1]]] = True
        return column

    def first(self, chosen: Array) -> list[int]:
        """Numbers of the first `ROWS` chosen samples."""
        found: list[int] = self.numbers[np.flatnonzero(chosen)[:ROWS]].tolist()
        return found


def probing(samples: Samples, folder: Path) -> Params:
    """Whether a feature is on."""
    return {"datasets": features_on(samples, folder), "context": 4, "train_rows": 256, "test_rows": 200}


def detection(samples: Samples, folder: Path) -> Params:
    """The same; numbers of samples have no words that could make a negative hard."""
    names = features_on(samples, folder)
    return {"concepts": names, "context": 4, "train_rows": 256, "test_rows": 200, "hard_rows": 0}


def features_on(samples: Samples, folder: Path) -> list[str]:
    """Files that ask whether a feature is on, for features spread over the frequencies that have rows enough."""
    usable = np.flatnonzero((samples.count >= ROWS) & (samples.count <= POOL - ROWS))
    usable = usable[np.argsort(-samples.count[usable], kind="stable")]
    chosen = usable[np.linspace(0, len(usable) - 1, PROBED).round().astype(int)]
    names = []
    for feature in map(int, chosen):
        on = samples.where(feature)
        rows = [(number, {"label": "on"}) for number in samples.first(on)]
        rows += [(number, {"label": "off"}) for number in samples.first(~on)]
        names.append(labelled_file(folder / f"feature-{feature}", rows, {"label": "label"}))
    return names


def siblings(samples: Samples, folder: Path) -> Params:
    """Which child of a parent is on, for parents whose children each have rows enough."""
    forest = samples.world.firing.forest
    names: list[str] = []
    for family in (family for families in forest.families for family in families):
        on_of = {int(child): samples.where(int(child)) for child in family}
        single = np.sum(list(on_of.values()), axis=0) == 1
        alone = {child: on & single for child, on in on_of.items() if (on & single).sum() >= ROWS}
        if len(alone) > 1 and len(names) < SIBLINGS:
            rows = [
                (number, {"label": f"child {child}"}) for child, on in alone.items() for number in samples.first(on)
            ]
            names.append(labelled_file(folder / f"children-of-{forest.parent[family[0]]}", rows, {"label": "label"}))
    return {"sets": names, "context": 4, "train_texts": 100, "validation_texts": 40, "test_texts": 100}


def crossed(samples: Samples, folder: Path) -> Params:
    """Whether each of two frequent roots is on, for pairs that have rows enough in all four cells."""
    roots = np.flatnonzero(samples.world.firing.forest.depth == 0)
    roots = roots[np.argsort(-samples.count[roots], kind="stable")]
    names: list[str] = []
    for one, other in combinations(map(int, roots), 2):
        a, b = samples.where(one), samples.where(other)
        cells = {(i, j): (a == i) & (b == j) for i in (False, True) for j in (False, True)}
        if min(int(cell.sum()) for cell in cells.values()) >= ROWS and len(names) < CROSSED:
            rows = [
                (number, {"first": str(int(i)), "second": str(int(j))})
                for (i, j), cell in cells.items()
                for number in samples.first(cell)
            ]
            places = {"first": "first", "second": "second"}
            names.append(labelled_file(folder / f"roots-{one}-{other}", rows, places))
    return {"pairs": names, "context": 4}


def labelled_file(stem: Path, rows: Iterable[tuple[int, Mapping[str, str]]], labels: Mapping[str, str]) -> str:
    """Write a CSV and the YAML that names it, and return the path of the latter."""
    table = stem.with_suffix(".csv")
    lines = [["sample", *labels], *([str(number), *values.values()] for number, values in rows)]
    text = "".join(",".join(line) + "\n" for line in lines)
    write_bytes(table, text.encode())
    spec = {"name": stem.name, "file": table.name, "text": "sample", **labels, "licence": LICENCE}
    write_bytes(stem.with_suffix(".yaml"), yaml.safe_dump(spec, sort_keys=False).encode())
    return str(stem.with_suffix(".yaml"))


QUESTIONS: Mapping[str, Callable[[Samples, Path], Params]] = {
    "detection@1": detection,
    "sparse_probing@1": probing,
    "tpp@1": siblings,
    "scr@1": crossed,
}
"""Tasks that read labelled texts, with what writes them."""
WITHOUT_NEXT_TOKENS: Mapping[str, Params] = {"seed_consistency@1": {"fingerprints_per_band": 0}}
"""What a task leaves out where there is no next token."""


def questions_for(task: str, world: World, folder: Path) -> Params:
    """Parameters under which a task asks a world what the world knows; none where it reads activations alone.

    Raises:
        UsageError: the world has no features of the kind that the task asks for.
    """
    if task not in QUESTIONS:
        return dict(WITHOUT_NEXT_TOKENS.get(task, {}))
    params = QUESTIONS[task](Samples(world), folder)
    asked: Sequence[str] = next(value for value in params.values() if isinstance(value, list))
    if not asked:
        raise UsageError(f"'{world.preset.reference}' has no features that {task} could ask for")
    return params
