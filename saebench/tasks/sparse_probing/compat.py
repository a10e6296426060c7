"""sae-probes 0.4.2 as it is, for back-comparison: its split by row, its ranking, its solver and its grid.

The split takes rows and not texts, so that a prompt that stands several times in a file trains and tests. Ranking is
in float32 as there, since a rounding may decide which latent is the k-th. Fits are scikit-learn's saga (L1) in float64
on columns as they are, stopped after 1,000 passes whether they have converged or not, because an exact solution would
be another number. Only the package's own two-class files and its standard setting are covered.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from saebench.tasks.sparse_probing.card import KS
from saebench.tasks.sparse_probing.features import Values, is_sparse
from saebench.tasks.sparse_probing.probes import Asked, Outcome, outcome
from saebench.tasks.sparse_probing.validation import Fold, IntArray, auc, folds

SEED = 42
"""What the package starts from; the evaluation seed is added."""
MOST_TRAIN, LEAST_TEST, MOST_ROWS = 1024, 100, 5000
STRENGTHS = tuple(float(strength) for strength in np.logspace(5, -5, 10))
PASSES = 1000
COMPAT_KS = tuple(name for name, k in KS.items() if k is not None)
"""The package has no probe of all latents."""

Array = np.ndarray[Any, Any]
FloatArray = np.ndarray[Any, np.dtype[np.float32]]


def encoded_labels(labels: Sequence[str]) -> IntArray:
    """0 and 1 in the order of the classes: numbers by value, else as text."""
    numbers = all(_is_number(label) for label in set(labels))
    classes = sorted(set(labels), key=float if numbers else str)
    return np.array([classes.index(label) for label in labels], dtype=np.int64)


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def train_rows(rows: int) -> int:
    """How many of so many rows train."""
    return min(rows - LEAST_TEST, MOST_TRAIN)


def split_rows(y: IntArray, train: int, test: int, positives: float = 0.5, seed: int = SEED) -> Asked:
    """Rows drawn class by class without replacement: training positives and negatives, then test from the rest."""
    draw = np.random.RandomState(seed)
    by_class = {label: np.flatnonzero(y == label) for label in (1, 0)}
    parts = []
    for count in (train, test):
        wanted = {1: math.ceil(positives * count)}
        wanted[0] = count - wanted[1]
        drawn = {label: draw.choice(by_class[label], size=wanted[label], replace=False) for label in (1, 0)}
        by_class = {label: np.setdiff1d(by_class[label], drawn[label]) for label in (1, 0)}
        parts.append(np.concatenate([drawn[1], drawn[0]]))
    fitted, held = (draw.permutation(part) for part in parts)
    return Asked(fitted, y[fitted], held, y[held])


def standard_question(y: IntArray, seed: int) -> Asked:
    """The question of the standard setting."""
    train = train_rows(len(y))
    return split_rows(y, train, len(y) - train - 1, seed=SEED + seed)


def imbalance_sizes(y: IntArray, least: float = 0.05, most: float = 0.95) -> tuple[int, int]:
    """Rows that train and test at every share of positives from `least` to `most`."""
    positives = int(y.sum())
    total = int(min((len(y) - positives) / (1 - least), positives / most))
    train = train_rows(total)
    return train, max(LEAST_TEST, total - train - 1)


def ranking(values: FloatArray, y: IntArray) -> IntArray:
    """Latents by the gap of class means of columns divided by their mean size where they are not zero, in float32."""
    import torch

    x = torch.from_numpy(values)
    size = x.abs().sum(dim=0) / ((x != 0).sum(dim=0) + 1e-6)
    scaled = x / (size + 1e-6)
    labels = torch.from_numpy(y)
    gap = scaled[labels == 1].mean(dim=0) - scaled[labels == 0].mean(dim=0)
    return torch.argsort(gap.abs(), descending=True).numpy()


def compat_latent_probes(values: Values, asked: Asked, seed: int, binarise: bool) -> dict[str, Outcome]:
    """L1 probes of the best k latents, by the name of k; k that the dictionary does not have are left out."""
    fitted = as_float32(values[asked.train])
    order = ranking(fitted, asked.y_train)[: max(KS[name] or 0 for name in COMPAT_KS)]
    fitted, held = fitted[:, order], as_float32(values[asked.test][:, order])
    outcomes = {}
    for name in COMPAT_KS:
        k = KS[name] or 0
        if k <= values.shape[1]:
            a, b = fitted[:, :k], held[:, :k]
            if binarise:
                a, b = a != 0, b != 0
            outcomes[name] = fitted_probe(a, b, asked, SEED + seed, {"l1_ratio": 1.0, "solver": "saga"})
    return outcomes


def as_float32(values: Values) -> FloatArray:
    """Values as one array, which is the precision that they came in."""
    return np.asarray(values.toarray() if is_sparse(values) else values, dtype=np.float32)


def compat_raw_probe(values: FloatArray, asked: Asked, seed: int) -> Outcome:
    """The package's baseline: an L2 probe of the raw activation."""
    return fitted_probe(values[asked.train], values[asked.test], asked, SEED + seed, {})


def fitted_probe(a: Array, b: Array, asked: Asked, seed: int, kind: dict[str, Any]) -> Outcome:
    """Choose C by validation AUC, the largest among equals, and fit once more on shuffled training rows."""
    a, b, y = a.astype(np.float64), b.astype(np.float64), asked.y_train
    splits = [(fit, held) for fit, held in folds(y, seed)]
    with quick_and_quiet():
        best, validation = None, math.nan
        if splits:
            quality = [
                float(np.mean([_judged(a, y, fold, strength, seed, kind) for fold in splits])) for strength in STRENGTHS
            ]
            best = int(np.argmax(quality))
            validation = quality[best]
        strength = 1.0 if best is None else STRENGTHS[best]
        order = np.random.RandomState(seed).permutation(len(a))
        model = _model(strength, seed, kind).fit(a[order], y[order])
        scores = model.decision_function(b)
        probabilities = model.predict_proba(b)[:, 1]
        if best is None:
            validation = auc(model.predict_proba(a)[:, 1], y)
    made = outcome(scores, asked.y_test, validation, strength)
    area = auc(probabilities, asked.y_test)
    return Outcome(made.validation, area, made.accuracy, made.f1, made.chosen, made.by_text)


def _judged(a: Array, y: IntArray, fold: Fold, strength: float, seed: int, kind: dict[str, Any]) -> float:
    fit, held = fold
    if len(set(y[fit].tolist())) < 2:
        return 0.5
    model = _model(strength, seed, kind).fit(a[fit], y[fit])
    return auc(model.predict_proba(a[held])[:, 1], y[held])


def _model(strength: float, seed: int, kind: dict[str, Any]) -> Any:
    return LogisticRegression(C=strength, max_iter=PASSES, random_state=seed, **kind)


@contextmanager
def quick_and_quiet() -> Iterator[None]:
    """Inside, scikit-learn neither repeats its checks nor warns of fits that the package leaves unfinished."""
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
