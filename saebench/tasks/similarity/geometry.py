"""By the atoms of latents that say the same: SVCCA and RSA with their permutation null."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import from_numpy

from saebench.matching.correlations import correlate, paired_correlations
from saebench.matching.permutations import Permuted, permuted
from saebench.matching.rsa import Geometry, Inner, agreement
from saebench.matching.svcca import svcca
from saebench.results.items import ItemTable
from saebench.tasks.similarity.card import PAIRS, PERMUTATIONS
from saebench.tasks.similarity.groups import Array, deal, group_table, pseudo_values
from saebench.tasks.similarity.outcome import Outcome
from saebench.tasks.similarity.pair import Pair
from saebench.tasks.similarity.reading import Reading, seed_of


@dataclass(frozen=True, eq=False)
class Aligned:
    """Latents that are paired one to one by the correlation of their codes."""

    first: Array
    """Latents of the first dictionary, ascending."""
    second: Array
    """Their partners."""
    flips: Array
    """1, or -1 where codes are signed and the partners' codes are opposite."""
    paired: int
    """Pairs that correlate enough, before any were drawn."""


def align(reading: Reading, pair: Pair, least: float, most: int, eval_seed: int) -> Aligned:
    """Pairs with a correlation of at least `least`; `most` of them drawn at random where there are more."""
    first, second = reading.codes
    rows, columns, values = correlate(first, second, signed=not pair.signed_codes).one_to_one()
    rows, columns = rows[values >= least], columns[values >= least]
    count = len(rows)
    if count > most:
        kept = np.sort(np.random.default_rng(seed_of("pairs", eval_seed)).permutation(count)[:most])
        rows, columns = rows[kept], columns[kept]
    flips = np.where(paired_correlations(first, second, rows, columns) < 0, -1.0, 1.0)
    return Aligned(rows, columns, flips, count)


def compare_geometry(aligned: Aligned, pair: Pair, permutations: int, eval_seed: int, outcome: Outcome) -> None:
    """SVCCA and both forms of RSA of the paired atoms, without each group of pairs, and of random pairings."""
    outcome.details["pairs"] = {"correlated": aligned.paired, "compared": len(aligned.first)}
    first, second = pair.atoms
    if first is None or second is None:
        outcome.lack(pair.no_atoms or "", "svcca", "svcca_null", "svcca_p", "rsa", "rsa_p", "rsa_correlation")
        return
    x = first[from_numpy(aligned.first)].numpy()
    y = second[from_numpy(aligned.second)].numpy() * aligned.flips[:, None]
    groups = deal(len(x), seed_of("pair groups", eval_seed))
    columns: dict[str, Array] = {}
    nulls: dict[str, Permuted] = {}

    def null_of(score: Callable[[Array | None], float]) -> Permuted:
        return permuted(score, len(x), seed=seed_of("permutations", eval_seed), draws=permutations)

    try:
        made = svcca(x, y)
        columns["svcca"] = pseudo_values(
            made.score(), without_each(groups, lambda kept: svcca(x[kept], y[kept]).score())
        )
        nulls["svcca"] = null_of(made.score)
        outcome.details["svcca_dimensions"] = list(made.dimensions)
    except ValueError as error:
        outcome.lack(f"{error}", "svcca", "svcca_null", "svcca_p")
    try:
        columns["rsa"], score = geometry(x, y, "cosine", groups)
        nulls["rsa"] = null_of(score)
        outcome.details["rsa_null"] = float(nulls["rsa"].null.mean())
    except ValueError as error:
        outcome.lack(f"{error}", "rsa", "rsa_p")
    try:
        columns["rsa_correlation"], _ = geometry(x, y, "correlation", groups)
    except ValueError as error:
        outcome.lack(f"{error}", "rsa_correlation")
    if columns:
        outcome.tables[PAIRS] = group_table(columns)
    if nulls:
        outcome.tables[PERMUTATIONS] = permutation_table(nulls, permutations)


def geometry(x: Array, y: Array, inner: Inner, groups: Array) -> tuple[Array, Callable[[Array | None], float]]:
    """Pseudo-values of RSA, and the score of the second side in another order.

    Raises:
        ValueError: the similarities of a side do not vary.
    """
    first, second = Geometry.of(x, inner), Geometry.of(y, inner)
    whole = first.ranks(np.arange(len(x))), second.ranks(np.arange(len(x)))
    without = without_each(groups, lambda kept: agreement(first.ranks(kept), second.ranks(kept)))
    return pseudo_values(agreement(*whole), without), lambda order: agreement(*whole, order=order)


def without_each(groups: Array, score: Callable[[Array], float]) -> list[float]:
    """The score with each group of rows left out.

    Raises:
        ValueError: it has no value without one of them.
    """
    count = int(groups.max(initial=-1)) + 1
    return [score(np.flatnonzero(groups != group)) for group in range(count)] if count > 1 else []


def permutation_table(nulls: dict[str, Permuted], permutations: int) -> ItemTable:
    """The pairing as it is, then the random ones: `drawn` is 1 for these."""
    names = ("observed", *(f"pairing {index}" for index in range(permutations)))
    columns: dict[str, Array] = {"drawn": np.concatenate([[0.0], np.ones(permutations)])}
    for name, one in nulls.items():
        columns[f"{name}_drawn"] = np.concatenate([[0.0], one.null])
        columns[f"{name}_reached"] = np.concatenate([[1.0], one.reached.astype(np.float64)])
    return ItemTable(names, names, columns)
