"""Probes: families of fits along a grid, of which validation chooses one, scored once on the test rows.

Everything that is fitted or chosen, the ranking of latents and the scale of columns included, is fitted inside each
fold on its training rows alone, so that a validation AUC has not seen what it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score
from sklearn.metrics.pairwise import euclidean_distances

from saebench.tasks.sparse_probing.card import KS
from saebench.tasks.sparse_probing.features import Values, View, best_latents, principal, standardised
from saebench.tasks.sparse_probing.ridge import STRENGTHS, predict, ridge_path
from saebench.tasks.sparse_probing.validation import FloatArray, Fold, IntArray, auc, auc_by_text, folds, log_loss

MOST_COMPONENTS, MOST_NEIGHBOURS, GRID = 100, 100, 10
ALL = "all"


@dataclass(frozen=True)
class Outcome:
    """One probe of one question."""

    validation: float
    """Mean validation AUC of the choice; its training AUC where the rows are too few to validate."""
    auc: float
    accuracy: float
    f1: float
    chosen: float
    """The hyper-parameter: C, components or neighbours."""
    by_text: FloatArray | None = None
    """`auc_by_text` of the test rows; None where it was not kept."""

    FIELDS = ("validation", "auc", "accuracy", "f1", "chosen")

    def row(self) -> list[float]:
        """The numbers in the order of `FIELDS`."""
        return [float(getattr(self, name)) for name in self.FIELDS]

    @classmethod
    def of_row(cls, row: Sequence[float]) -> Outcome:
        """The inverse of `row`, without the texts."""
        validation, area, accuracy, f1, chosen = (float(value) for value in row)
        return cls(validation, area, accuracy, f1, chosen)


@dataclass(frozen=True)
class Asked:
    """A question in numbers: rows of a matrix with their labels."""

    train: IntArray
    y_train: IntArray
    test: IntArray
    y_test: IntArray


@dataclass(frozen=True)
class Probe:
    """A family of fits.

    Attributes:
        grid: hyper-parameters for so many fitted rows and columns at least.
        default: which of a grid is taken where the rows are too few to validate.
        scores: log odds `[len(grid), m]` of the asked rows of a view, fitted on its first part with labels `y`.
    """

    grid: Callable[[int, int], Sequence[float]]
    default: Callable[[Sequence[float]], int]
    scores: Callable[[View, IntArray, Sequence[float]], Sequence[FloatArray]]


def log2_grid(most: int) -> list[float]:
    """At most ten whole numbers from 1 to `most`, evenly spaced in their logarithm and rounded down."""
    steps = np.logspace(0, np.log2(max(most, 1)), GRID, base=2, dtype=int)
    return [float(step) for step in np.unique(steps)]


def _ridge(view: View, y: IntArray, grid: Sequence[float]) -> list[FloatArray]:
    return [predict(view[1], weights) for weights in ridge_path(view[0], y.astype(np.float64), tuple(grid))]


def _components(view: View, y: IntArray, grid: Sequence[float]) -> list[FloatArray]:
    return [_ridge((view[0][:, : int(c)], view[1][:, : int(c)]), y, (1.0,))[0] for c in grid]


def _neighbours(view: View, y: IntArray, grid: Sequence[float]) -> list[FloatArray]:
    order = np.argsort(euclidean_distances(view[1], view[0]), axis=1, kind="stable")
    positives = np.cumsum(y[order], axis=1)
    return [np.log((positives[:, int(k) - 1] + 0.5) / (k - positives[:, int(k) - 1] + 0.5)) for k in grid]


LOGISTIC = Probe(lambda rows, columns: STRENGTHS, lambda grid: STRENGTHS.index(1.0), _ridge)
COMPONENTS = Probe(
    lambda rows, columns: log2_grid(min(columns, MOST_COMPONENTS)), lambda grid: len(grid) - 1, _components
)
NEIGHBOURS = Probe(lambda rows, columns: log2_grid(min(rows, MOST_NEIGHBOURS)), lambda grid: 0, _neighbours)
RAW: Mapping[str, Probe] = {"logreg": LOGISTIC, "pca": COMPONENTS, "knn": NEIGHBOURS}


def run_probes(
    probes: Mapping[str, Probe],
    views: Callable[[IntArray, IntArray, IntArray], Mapping[str, View]],
    asked: Asked,
    seed: int,
) -> dict[str, Outcome]:
    """Choose and score every probe of one question.

    Args:
        probes: by name.
        views: columns by the name of the probe, of rows fitted on (with their labels) and rows asked about.
        asked: the question.
        seed: shuffles folds.
    """
    splits = folds(asked.y_train, seed)
    inner = [views(asked.train[fitted], asked.y_train[fitted], asked.train[held]) for fitted, held in splits]
    final = views(asked.train, asked.y_train, asked.test)
    outcomes = {}
    for name, probe in probes.items():
        chosen, validation, grid = _choose(probe, [view[name] for view in inner], splits, final[name], asked.y_train)
        scores = probe.scores(final[name], asked.y_train, (grid[chosen],))[0]
        if validation is None:
            seen = probe.scores((final[name][0], final[name][0]), asked.y_train, (grid[chosen],))[0]
            validation = auc(seen, asked.y_train)
        outcomes[name] = outcome(scores, asked.y_test, validation, grid[chosen])
    return outcomes


def _choose(
    probe: Probe, views: Sequence[View], splits: Sequence[Fold], final: View, y: IntArray
) -> tuple[int, float | None, Sequence[float]]:
    """Place in the grid with the best mean validation AUC, the lower mean log loss among equals."""
    parts = views or [final]
    grid = probe.grid(min(len(view[0]) for view in parts), min(view[0].shape[1] for view in [*parts, final]))
    if not splits:
        return probe.default(grid), None, grid
    quality = np.zeros((len(grid), 2))
    for view, (fitted, held) in zip(views, splits, strict=True):
        scores = probe.scores(view, y[fitted], grid)
        quality += [[auc(one, y[held]), -log_loss(one, y[held])] for one in scores]
    best = max(range(len(grid)), key=lambda place: tuple(quality[place]))
    return best, float(quality[best, 0] / len(splits)), grid


def outcome(log_odds: FloatArray, y: IntArray, validation: float, chosen: float) -> Outcome:
    """What log odds are worth on test rows."""
    predicted = (log_odds > 0).astype(np.int64)
    return Outcome(
        validation=validation,
        auc=auc(log_odds, y),
        accuracy=float((predicted == y).mean()),
        f1=float(f1_score(y, predicted, average="weighted", zero_division=0.0)),
        chosen=chosen,
        by_text=auc_by_text(log_odds, y),
    )


def raw_views(values: FloatArray) -> Callable[[IntArray, IntArray, IntArray], Mapping[str, View]]:
    """What the probes of raw activations read: one set of principal axes serves them all."""

    def views(fitted: IntArray, y: IntArray, asked: IntArray) -> Mapping[str, View]:
        return dict.fromkeys(RAW, principal(values[fitted], values[asked]))

    return views


def probed_ks(d_dict: int) -> list[str]:
    """The names of those numbers of latents that a dictionary of this width has."""
    return [name for name, k in KS.items() if k is None or k <= d_dict]


def latent_views(values: Values, ks: Sequence[str]) -> Callable[[IntArray, IntArray, IntArray], Mapping[str, View]]:
    """What the probes of latents read: the best k of the fitted rows, and all."""
    numbers = [KS[name] or 0 for name in ks]

    def views(fitted: IntArray, y: IntArray, asked: IntArray) -> Mapping[str, View]:
        a, b = values[fitted], values[asked]
        columns = standardised(a, b, best_latents(a, y, max(numbers)))
        made = {name: (columns[0][:, : KS[name]], columns[1][:, : KS[name]]) for name in ks if name != ALL}
        return made | ({ALL: principal(a, b)} if ALL in ks else {})

    return views


def raw_probes(values: FloatArray, asked: Asked, seed: int) -> dict[str, Outcome]:
    """Logistic regression, principal components and nearest neighbours on the raw activation `[n, d]`."""
    return run_probes(RAW, raw_views(values), asked, seed)


def latent_probes(values: Values, asked: Asked, seed: int) -> dict[str, Outcome]:
    """Logistic probes of the best k latents, by the name of k."""
    ks = probed_ks(values.shape[1])
    return run_probes(dict.fromkeys(ks, LOGISTIC), latent_views(values, ks), asked, seed)
