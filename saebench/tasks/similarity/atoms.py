"""By atoms and weights: maximal cosines, novel latents and their insertion, SAE Match, labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from saebench.dictionaries.labels import atom_labels
from saebench.matching.cosines import unit_rows
from saebench.matching.folding import match_rows
from saebench.matching.jaccard import jaccard
from saebench.matching.maxima import LargestCosine
from saebench.matching.nearest import nearest
from saebench.matching.stitching import auc, is_novel
from saebench.results.items import ItemTable
from saebench.tasks.similarity.card import INSERTED, LABELS, LATENTS, MATCHED, MATCHED_ALL
from saebench.tasks.similarity.groups import Array, deal, group_table, pseudo_values
from saebench.tasks.similarity.outcome import Outcome
from saebench.tasks.similarity.pair import Pair
from saebench.tasks.similarity.reading import Reading, seed_of
from saebench.tasks.similarity.weights import encoders_of, in_one_form, wide

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SIDES = ("first", "second")
MMCS = tuple(f"mmcs_{side}{form}" for side in SIDES for form in ("", "_calibrated"))


def compare_atoms(pair: Pair, reading: Reading, outcome: Outcome) -> Array | None:
    """Maximal cosines both ways, against the null, and novel latents; gives those of the larger side, `[d_dict]`."""
    first, second = pair.atoms
    if pair.no_common_space or first is None or second is None:
        outcome.lack(pair.no_common_space or "", *MMCS, "novel_fraction", "novel_helps", "reconstruction_hurts")
        return None
    signed = not pair.signed_codes
    rows = unit_rows(first, warn=False), unit_rows(second, warn=False)
    counts = len(first), len(second)
    names = tuple(f"{side}/{index}" for side, count in zip(SIDES, counts, strict=True) for index in range(count))
    columns: dict[str, Array] = {}
    largest = []
    quantiles = {}
    for side, name in enumerate(SIDES):
        cosines, _ = nearest(rows[side], rows[1 - side], signed=signed)
        null = LargestCosine(counts[1 - side], first.shape[1], signed)
        own = np.repeat(np.arange(2) == side, counts).astype(np.float64)
        columns[name] = own
        columns[f"{name}_null"] = own * null.mean
        columns[f"{name}_cosine"] = own.copy()
        columns[f"{name}_cosine"][own == 1] = cosines
        largest.append(cosines)
        quantiles[name] = {
            "observed": [float(one) for one in np.quantile(cosines, QUANTILES)],
            "null": [float(one) for one in null.quantiles(np.array(QUANTILES))] if first.shape[1] > 1 else None,
        }
        if null.mean >= 1:
            outcome.lack("directions in one dimension are all the same", f"mmcs_{name}_calibrated")
    novel = is_novel(largest[pair.larger])
    place = np.flatnonzero(columns[SIDES[pair.larger]])
    columns["larger"] = columns[SIDES[pair.larger]]
    spread(columns, "novel", place, novel)
    if reading.insertions is None:
        outcome.lack(pair.no_insertion or "", "novel_helps", "reconstruction_hurts")
    else:
        changes, fires = changes_of(pair, reading)
        spread(columns, "novel_fires", place, novel & fires)
        spread(columns, "novel_helps", place, novel & fires & (changes < 0))
        spread(columns, "reconstruction_fires", place, ~novel & fires)
        spread(columns, "reconstruction_hurts", place, ~novel & fires & (changes > 0))
        spread(columns, "change", place, changes)
    outcome.tables[LATENTS] = ItemTable(names, names, columns)
    outcome.details["maximal_cosines"] = {"quantiles": list(QUANTILES), **quantiles}
    outcome.details["zero_atoms"] = [int(one.zero.sum()) for one in rows]
    return largest[pair.larger]


def spread(columns: dict[str, Array], name: str, place: Array, values: Array) -> None:
    """A column that is `values` at some items and 0 at the others."""
    columns[name] = np.zeros(len(columns["larger"]))
    columns[name][place] = values


def changes_of(pair: Pair, reading: Reading) -> tuple[Array, Array]:
    """Change of the squared error by each latent of the larger side, and which of them fire."""
    atoms = pair.atoms[pair.larger]
    assert atoms is not None
    assert reading.insertions is not None
    return reading.insertions.changes(atoms.numpy()), reading.insertions.squares > 0


def insert_latents(pair: Pair, reading: Reading, largest: Array | None, eval_seed: int, outcome: Outcome) -> None:
    """How well the maximal cosine tells latents apart whose insertion raises the error from those where it does not."""
    if largest is None or reading.insertions is None:
        outcome.lack(pair.no_insertion or "", "insertion_auc")
        return
    changes, fires = changes_of(pair, reading)
    score, raises = largest[fires], changes[fires] > 0
    groups = deal(len(score), seed_of("inserted latents", eval_seed))
    try:
        whole = auc(score, raises)
        count = int(groups.max()) + 1
        without = [auc(score[groups != group], raises[groups != group]) for group in range(count)] if count > 1 else []
    except ValueError:
        raised = int(raises.sum())
        outcome.lack(f"{raised} of {len(raises)} latents raise the error: nothing to tell apart", "insertion_auc")
        return
    outcome.tables[INSERTED] = group_table({"insertion_auc": pseudo_values(whole, without)})


def match_weights(pair: Pair, reading: Reading, outcome: Outcome) -> None:
    """SAE Match by atoms alone, and by all weights."""
    decoder_alone = ("match_mse", "match_distance", "match_fires_together")
    all_weights = ("match_mse_all_weights", "match_distance_all_weights")
    if pair.no_common_space:
        outcome.lack(pair.no_common_space, *decoder_alone, *all_weights)
        return
    first, second, folded = in_one_form(*pair.sides)
    assert first.atoms is not None
    assert second.atoms is not None
    atoms = wide(first.atoms), wide(second.atoms)
    table, partners, solver = table_of(*atoms)
    fires = [(codes != 0).astype(np.float64)[:, chosen] for codes, chosen in zip(reading.codes, partners, strict=True)]
    columns = dict(table.columns)
    columns["fires"] = np.asarray(fires[0].sum(axis=0)).ravel()
    columns["together"] = np.asarray(fires[0].multiply(fires[1]).sum(axis=0)).ravel()
    outcome.tables[MATCHED] = ItemTable(table.items, table.clusters, columns)
    outcome.details["match"] = {"folded": folded, "solver": solver}
    encoders = encoders_of(first, second)
    if encoders is None:
        outcome.lack("a dictionary has no linear encoder with a bias", *all_weights)
    elif first.d_in != second.d_in:
        outcome.lack(f"the dictionaries read widths {first.d_in} and {second.d_in}", *all_weights)
    else:
        whole, chosen, _ = table_of(*(torch.cat(rows, dim=1) for rows in zip(atoms, encoders, strict=True)))
        outcome.tables[MATCHED_ALL] = whole
        agree = np.isin(pair_keys(chosen), pair_keys(partners)).mean()
        outcome.details["match"]["same_partner_by_all_weights"] = float(agree)


def table_of(a: Tensor, b: Tensor) -> tuple[ItemTable, tuple[Array, Array], str]:
    """Matched rows as items, with their distances and sizes."""
    made = match_rows(a, b)
    left, right = a[torch.from_numpy(made.rows)], b[torch.from_numpy(made.columns)]
    names = tuple(f"{row}~{column}" for row, column in zip(made.rows, made.columns, strict=True))
    columns: dict[str, Array] = {
        "squared": made.squared,
        "sizes": (left.square().sum(1) + right.square().sum(1)).numpy(),
        "coordinates": np.full(len(names), float(a.shape[1])),
    }
    return ItemTable(names, names, columns), (made.rows, made.columns), made.solver


def pair_keys(partners: tuple[Array, Array]) -> Array:
    """One number a pair."""
    rows, columns = partners
    return np.asarray(rows * np.int64(2**32) + columns)


def compare_labels(pair: Pair, outcome: Outcome) -> None:
    """Jaccard similarity of labelled atoms."""
    found = [atom_labels(side) for side in pair.sides]
    lacking = [name for name, labels in zip(SIDES, found, strict=True) if not labels]
    if lacking:
        outcome.lack(f"the atoms of the {' and the '.join(lacking)} dictionary have no labels", "itda_jaccard")
        return
    first, second = (set(labels or ()) for labels in found)
    union = sorted(first | second)
    columns = {"both": np.array([float(label in first and label in second) for label in union])}
    items = tuple(f"{document}:{token}" for document, token in union)
    outcome.tables[LABELS] = ItemTable(items, tuple(document for document, _ in union), columns)
    outcome.details["jaccard"] = jaccard(first, second)
