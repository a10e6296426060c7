"""`scr@1`, from top to bottom: data, protocol, item scores.

Data: texts with two binary labels each, cut short; a biased probe is trained where the labels agree, one probe for each
label on all four combinations. Protocol: probes on token means of activations are made once for a site; pairs and
directions without a gap between biased and clean probe are left out before any dictionary is looked at. Each
dictionary encodes every text once; latents of the unwanted label are taken out by subtraction from the biased probe's
scores. Item scores: one row for each test text of a pair.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy import sparse

from saebench.data.layout import MASK_RULE
from saebench.fingerprint import digest
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.scr.card import CARD, TEXTS
from saebench.tasks.scr.measures import FLOOR, SURE, Directions, directions, item_columns
from saebench.tasks.scr.pairs import Pair, Shelf, shelves
from saebench.token_means.latents import (
    N_VALUES,
    like_frequent,
    mean_difference,
    probe_gains,
    removed,
    strongest,
    unfit_reason,
)
from saebench.token_means.means import CodeMeans, activation_means, code_means
from saebench.token_means.probes import fit_probe

if TYPE_CHECKING:
    from saebench.activations.artefacts import Arrays
    from saebench.activations.sets import ActivationSet
    from saebench.lm.model import LanguageModel

Array = np.ndarray[Any, Any]

PROBES_VERSION = 1
"""Raise it when probes are made in another way: stored ones are then made again."""
BIASED = 2
"""Place of the biased probe behind those of both labels."""


PAIRS = ("sentiment_source", "sentiment_product")
"""Packaged sets on whose validation texts a probe of a small model is misled by .2 (see the card)."""


class ScrParams(Params):
    """What a suite may set."""

    pairs: tuple[str, ...] = Field(default=PAIRS, min_length=1)
    """Sets of twice labelled texts: packaged ones, or YAML files of the user's."""
    train_texts: int = Field(default=80, ge=10)
    """Of each combination of labels, for probes and for the choice of latents."""
    validation_texts: int = Field(default=40, ge=5)
    """Of each combination, for the choice of penalties, pairs and directions."""
    test_texts: int = Field(default=80, ge=5)
    """Of each combination."""
    context: int = Field(default=64, ge=2)
    """Tokens that are kept of a text, the begin-of-text token included."""
    random_draws: int = Field(default=5, ge=1)
    """Draws of random latents."""

    def most(self) -> dict[str, int]:
        """Texts of a combination by part."""
        return {"train": self.train_texts, "validation": self.validation_texts, "test": self.test_texts}


@dataclass(frozen=True)
class Probed:
    """A pair with its probes: all that is the same for every subject.

    Attributes:
        weights: of the probes for the first label, the second one, and the biased one, `[3, d]`.
        scores: of every text of the shelf under each, `[texts, 3]`, nothing taken out.
    """

    pair: Pair
    weights: Array
    scores: Array

    def biased(self, part: str, loss: Array | float = 0.0) -> Array:
        """Whether the biased probe is right about each label, `[..., 2, texts]`.

        Args:
            part: whose texts are asked.
            loss: taken from the scores in each direction, `[..., 2, texts of the shelf]`.
        """
        scores = np.asarray(self.scores[:, BIASED] - loss)
        scores = np.broadcast_to(scores, (*scores.shape[:-2], 2, scores.shape[-1]))
        return np.asarray((scores[..., self.pair.texts[part]] > 0) == self.pair.labels[part].T)

    def clean(self, part: str) -> Array:
        """Whether the probe trained for each label is right about it, `[2, texts]`."""
        return np.asarray((self.scores[self.pair.texts[part], :BIASED] > 0).T == self.pair.labels[part].T)

    def directions(self) -> Directions:
        """What counts, decided on validation texts."""
        return directions(self.biased("validation"), self.clean("validation"))


class Scr(Task):
    """Scores a dictionary by how far its latents of a spurious label free a biased probe. Metrics: `card.CARD`."""

    card = CARD
    parameters = ScrParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """One record for each source of texts."""
        return tuple(record(shelf) for shelf in shelves_of(as_own(params), lm, eval_seed))

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Source by source, every subject on the same stored activations."""
        params, site = as_own(bench.params), subjects[0].site
        reasons: dict[str, str] = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                reason = unfit_reason(subject.dictionary())
                if reason is not None:
                    reasons[subject.fingerprint] = reason
        done, kept = bench.journal.load() or (0, {})
        kept = dict(kept)
        probed: list[tuple[Shelf, Probed]] = []
        excluded: dict[str, str] = {}
        sources = shelves_of(params, bench.lm, bench.eval_seed)
        with bench.progress.bar(f"{self.card.name} {site}", len(sources), "source") as bar:
            for shelf in sources:
                activations = bench.harvest(shelf.rows, site)
                counted = []
                for made in with_probes(shelf, activations, site, bench):
                    why = left_out(made.directions())
                    if why is None:
                        counted.append(made)
                    else:
                        excluded[made.pair.name] = why
                probed += [(shelf, made) for made in counted]
                for subject in bench.alive(subjects) if counted else ():
                    key = f"{subject.fingerprint}/{shelf.family}"
                    if subject.fingerprint in reasons or f"{key}/seconds" in kept:
                        continue
                    with bench.guard(subject):
                        began = time.perf_counter()
                        codes = code_means(
                            subject.dictionary(), activations, bench.rows_per_block, bench.lm.device, bench.lm.dtype
                        )
                        for made in counted:
                            gains = probe_gains(subject.dictionary(), made.weights)
                            own = score_pair(made, codes, gains, params, bench.eval_seed)
                            kept |= {f"{key}/{made.pair.name}/{name}": column for name, column in own.items()}
                        kept[f"{key}/seconds"] = np.array(time.perf_counter() - began)
                        kept[f"{key}/tokens"] = np.array(codes.tokens)
                        done += 1
                        bench.journal.save(done, kept)
                bar.advance()

        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                scores[subject.fingerprint] = finish(subject, probed, kept, excluded, reasons.get(subject.fingerprint))
        return scores


def as_own(params: Params) -> ScrParams:
    """The parameters of this task; the defaults where a bench was given none."""
    return params if isinstance(params, ScrParams) else ScrParams()


def shelves_of(params: ScrParams, lm: LanguageModel, eval_seed: int) -> list[Shelf]:
    """The pairs by source."""
    return shelves(params.pairs, lm, most=params.most(), context=params.context, seed=eval_seed)


def record(shelf: Shelf) -> DataRecord:
    """How a result describes the pairs of a source."""
    return DataRecord(
        part=shelf.family,
        name=", ".join(pair.name for pair in shelf.pairs),
        fingerprint=digest({"rows": shelf.rows.fingerprint, "pairs": [pair.fingerprint for pair in shelf.pairs]}),
        licence=shelf.rows.licence,
        documents=shelf.rows.n_rows,
        tokens=shelf.rows.n_tokens,
        packing=dict(shelf.rows.packing),
        mask_rule=MASK_RULE,
    )


def with_probes(shelf: Shelf, activations: ActivationSet, site: str, bench: Bench) -> list[Probed]:
    """The pairs of a source with their probes, trained once for a site."""

    def make() -> Arrays:
        means = activation_means(activations, bench.rows_per_block, bench.lm.device)
        arrays: Arrays = {}
        for pair in shelf.pairs:
            train, validation = pair.texts["train"], pair.texts["validation"]
            probes = [
                fit_probe(means, train, pair.labels["train"][:, of], validation, pair.labels["validation"][:, of])
                for of in (0, 1)
            ]
            # The biased probe chooses its penalty where it is trained: where the labels agree.
            agree = pair.labels["validation"].all(1) | ~pair.labels["validation"].any(1)
            labels = pair.labels["validation"][agree, 0]
            probes.append(fit_probe(means, pair.biased, pair.biased_y, validation[agree], labels))
            arrays[f"{pair.name}/weights"] = np.stack([probe.weights for probe in probes])
            arrays[f"{pair.name}/scores"] = np.stack([probe.scores(means) for probe in probes], axis=1)
        return arrays

    identity = {"data": record(shelf).fingerprint, "site": site, "seed": bench.eval_seed, "version": PROBES_VERSION}
    arrays = bench.artefact("probes of two labels on token means", identity, make)
    return [Probed(pair, arrays[f"{pair.name}/weights"], arrays[f"{pair.name}/scores"]) for pair in shelf.pairs]


def left_out(chosen: Directions) -> str | None:
    """Why a pair does not count, or None where it does."""
    if chosen.counted.any():
        return None
    gaps = " and ".join(f"{upper:.3f} - {lower:.3f}" for upper, lower in zip(chosen.clean, chosen.base, strict=True))
    return (
        f"on validation texts clean and biased probe differ by less than {FLOOR} or {SURE} standard errors for either "
        f"label: {gaps}"
    )


def score_pair(made: Probed, codes: CodeMeans, gains: Array, params: ScrParams, eval_seed: int) -> dict[str, Array]:
    """Item columns of one subject on one pair: see `measures.item_columns`.

    Args:
        made: the pair with its probes.
        codes: mean codes of the texts of the shelf.
        gains: `probe_gains` of the three probes, `[d_dict, 3]`.
    """
    pair = made.pair
    by_column = sparse.csc_array(codes.means)
    on_biased = gains[:, BIASED:]
    # Direction 1 asks for the first label, so that the latents of the second one go; direction 2 the other way.
    chosen = [strongest(effects(codes.means, pair, other, gains), N_VALUES[-1]) for other in (1, 0)]
    loss = np.stack([removed(by_column, latents, on_biased)[..., 0] for latents in chosen], axis=1)
    after = made.biased("test", loss)
    random = np.zeros(after.shape)
    for draw in range(params.random_draws):
        others = [
            like_frequent(codes.density, latents, f"{eval_seed}:{pair.name}:{direction}:{draw}")
            for direction, latents in enumerate(chosen)
        ]
        losses = np.stack([removed(by_column, latents, on_biased)[..., 0] for latents in others], axis=1)
        random += made.biased("test", losses) / params.random_draws
    return item_columns(made.biased("test"), made.clean("test"), after, random, made.directions())


def effects(codes: sparse.csr_array, pair: Pair, label: int, gains: Array) -> Array:
    """|d * <w, atom>| of every latent for one label, d the mean code of its positive minus its negative texts."""
    texts, y = pair.texts["train"], pair.labels["train"][:, label]
    return np.asarray(np.abs(mean_difference(codes, texts[y], texts[~y]) * gains[:, label]))


def finish(
    subject: Subject,
    probed: Sequence[tuple[Shelf, Probed]],
    kept: Mapping[str, Array],
    excluded: Mapping[str, str],
    reason: str | None,
) -> Scores:
    """Item table, details and what is undefined of one subject."""
    columns: dict[str, list[Array]] = {}
    items: list[str] = []
    clusters: list[str] = []

    def add(name: str, values: Array) -> None:
        columns.setdefault(name, []).append(values)

    own_curves: dict[str, Any] = {}
    for shelf, made in probed:
        hashes = [shelf.hashes[text] for text in made.pair.texts["test"]]
        items += [f"{made.pair.name}/{one}" for one in hashes]
        clusters += hashes
        if reason is not None:
            continue
        prefix = f"{subject.fingerprint}/{shelf.family}/{made.pair.name}"
        for name in ("gap", "gap1", "gap2"):
            add(name, kept[f"{prefix}/{name}"])
        for name in ("gain", "gain1", "gain2", "random"):
            for place, n in enumerate(N_VALUES):
                add(f"{name}_n{n}", kept[f"{prefix}/{name}"][place])
        gap = float(kept[f"{prefix}/gap"].sum())
        own_curves[made.pair.name] = {
            "n": list(N_VALUES),
            "scr": [float(gain) / gap if gap > 0 else None for gain in kept[f"{prefix}/gain"].sum(1)],
            "random": [float(gain) / gap if gap > 0 else None for gain in kept[f"{prefix}/random"].sum(1)],
        }
    if not probed:
        reason = "no pair of labels misleads a probe enough: " + "; ".join(
            f"{name}: {why}" for name, why in excluded.items()
        )
    table = ItemTable(tuple(items), tuple(clusters), {name: np.concatenate(parts) for name, parts in columns.items()})
    families = dict.fromkeys(shelf.family for shelf, _ in probed)
    spent = [f"{subject.fingerprint}/{family}" for family in families] if reason is None else []
    return Scores(
        tables={TEXTS: table},
        details={
            "excluded": dict(excluded),
            "pairs": {made.pair.name: explain(shelf, made, subject) for shelf, made in probed},
            "curves": own_curves,
        },
        cost={
            "seconds": float(sum(kept[f"{one}/seconds"] for one in spent)),
            "encoded_tokens": float(sum(kept[f"{one}/tokens"] for one in spent)),
        },
        undefined=undefined_of(table, [made for _, made in probed], subject, reason),
    )


def undefined_of(table: ItemTable, probed: Sequence[Probed], subject: Subject, reason: str | None) -> dict[str, str]:
    """Metrics without a value: all of them, those of more latents than there are, those with too small a gap."""
    if reason is not None:
        return {metric.name: reason for metric in CARD.metrics}
    undefined = {}
    d_dict = subject.dictionary().d_dict
    counted = {
        "gap": sum(made.directions().weight.sum() * len(made.pair.texts["test"]) for made in probed),
        "gap1": sum(made.directions().counted[0] * len(made.pair.texts["test"]) for made in probed),
        "gap2": sum(made.directions().counted[1] * len(made.pair.texts["test"]) for made in probed),
    }
    for metric in CARD.metrics:
        (column,) = metric.denominator
        gap = table.columns[column].sum()
        if counted[column] == 0:
            undefined[metric.name] = (
                f"no pair counts in this direction: clean and biased probe differ by less than {FLOOR}"
            )
        elif gap < FLOOR * counted[column]:
            undefined[metric.name] = (
                f"on test texts clean and biased probe differ by {gap / counted[column]:.3f}, below {FLOOR}"
            )
    for n in N_VALUES:
        if n > d_dict:
            why = f"the dictionary has {d_dict} latents"
            undefined |= {metric.name: why for metric in CARD.metrics if metric.name.endswith(f"_n{n}")}
    return undefined


def explain(shelf: Shelf, made: Probed, subject: Subject) -> dict[str, Any]:
    """What a result says about one pair: who is who, how many, and the accuracies that all subjects share."""
    pair, chosen = made.pair, made.directions()
    known = set(subject.dictionary().provenance.documents)
    used = np.unique(np.concatenate([*pair.texts.values(), pair.biased]))
    return {
        "attributes": list(pair.attributes),
        "positive": [values[1] for values in pair.values],
        "cells": dict(pair.cells),
        "texts_of_a_cell": {part: len(texts) // 4 for part, texts in pair.texts.items()},
        "biased_texts": len(pair.biased),
        "validation": {"clean": chosen.clean.tolist(), "base": chosen.base.tolist()},
        "test": {"clean": made.clean("test").mean(1).tolist(), "base": made.biased("test").mean(1).tolist()},
        "directions_counted": chosen.counted.tolist(),
        "direction_weights": chosen.weight.tolist(),
        "texts_seen_in_training": sum(bool(known.intersection(shelf.seen[text])) for text in used),
        "census": dict(pair.census),
    }
