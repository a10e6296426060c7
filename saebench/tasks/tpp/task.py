"""`tpp@1`, from top to bottom: data, protocol, item scores.

Data: labelled sets of several classes, each text cut short. Protocol: probes on token means of activations, one a
class, are made once for a site. Each dictionary encodes every text once; latents of a class are those that raise its
probe on the class's training texts; taking them out is a subtraction from probe scores. Item scores: one row for each
test text of each class probe.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy import sparse

from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.tpp.card import CARD, TEXTS
from saebench.tasks.tpp.classes import ClassSet, Question, class_set
from saebench.tasks.tpp.measures import at_half, drops, first_half, permutation_null
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


SETS = ("97_news_class", "103_it_tick", "17_world_country", "46_context_type")
"""Packaged sets whose classes probes of a small model tell apart (mean validation accuracy of at least .8)."""


class TppParams(Params):
    """What a suite may set."""

    sets: tuple[str, ...] = Field(default=SETS, min_length=1)
    """Labelled sets of several classes: packaged ones, or YAML files of the user's."""
    classes: int = Field(default=5, ge=2)
    """At most so many classes of a set, the largest ones."""
    train_texts: int = Field(default=100, ge=10)
    """Of each class, for probes and for the choice of latents."""
    validation_texts: int = Field(default=50, ge=5)
    """Of each class, for the choice of the probe's penalty."""
    test_texts: int = Field(default=100, ge=5)
    """Of each class."""
    context: int = Field(default=64, ge=2)
    """Tokens that are kept of a text, the begin-of-text token included."""
    min_accuracy: float = Field(default=0.7, ge=0.5, le=1.0)
    """A set whose class probes are right on fewer of the validation texts, on average, is left out."""
    random_draws: int = Field(default=5, ge=1)
    """Draws of random latents."""

    def most(self) -> dict[str, int]:
        """Texts of a class by part."""
        return {"train": self.train_texts, "validation": self.validation_texts, "test": self.test_texts}


@dataclass(frozen=True)
class Probed:
    """A set with its probes: all that is the same for every subject.

    Attributes:
        weights: `[C, d]`.
        validation: accuracies on the validation texts, `[C]`.
        scores: of every text under every probe, `[texts, C]`, nothing taken out.
    """

    data: ClassSet
    weights: Array
    validation: Array
    scores: Array

    def right(self, part: str, scores: Array) -> Array:
        """Whether each probe is right on its own texts, `[..., C, T]`, given scores `[..., texts, C]`."""
        question = self.data.questions[part]
        chosen = scores[..., question.texts, np.arange(len(self.weights))[:, None]]
        return np.asarray((chosen > 0) == question.y)

    def accuracy(self, part: str) -> Array:
        """Of each clean probe, `[C]`."""
        return np.asarray(self.right(part, self.scores).mean(1))


class Tpp(Task):
    """Scores a dictionary by what the latents of a class do to the probes of all classes. Metrics: `card.METRICS`."""

    card = CARD
    parameters = TppParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """One record for each set."""
        return tuple(record(one) for one in sets_of(as_own(params), lm, eval_seed))

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Set by set, every subject on the same stored activations."""
        params, site = as_own(bench.params), subjects[0].site
        reasons: dict[str, str] = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                reason = unfit_reason(subject.dictionary())
                if reason is not None:
                    reasons[subject.fingerprint] = reason
        sets = sets_of(params, bench.lm, bench.eval_seed)
        done, kept = bench.journal.load() or (0, {})
        kept = dict(kept)
        probed: list[Probed] = []
        excluded: dict[str, str] = {}
        with bench.progress.bar(f"{self.card.name} {site}", len(sets), "set") as bar:
            for one in sets:
                activations = bench.harvest(one.rows, site)
                made = with_probes(one, activations, site, bench)
                if made.validation.mean() < params.min_accuracy:
                    excluded[one.name] = (
                        f"its clean probes are right on {made.validation.mean():.3f} of the validation texts, below "
                        f"{params.min_accuracy}"
                    )
                    bar.advance()
                    continue
                probed.append(made)
                for subject in bench.alive(subjects):
                    key = f"{subject.fingerprint}/{one.name}"
                    if subject.fingerprint in reasons or f"{key}/seconds" in kept:
                        continue
                    with bench.guard(subject):
                        began = time.perf_counter()
                        codes = code_means(
                            subject.dictionary(), activations, bench.rows_per_block, bench.lm.device, bench.lm.dtype
                        )
                        gains = probe_gains(subject.dictionary(), made.weights)
                        own = score_set(made, codes, gains, params, bench.eval_seed)
                        own["seconds"] = np.array(time.perf_counter() - began)
                        own["tokens"] = np.array(codes.tokens)
                        kept |= {f"{key}/{name}": column for name, column in own.items()}
                        done += 1
                        bench.journal.save(done, kept)
                bar.advance()

        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                own_arrays = {
                    made.data.name: of_prefix(kept, f"{subject.fingerprint}/{made.data.name}/") for made in probed
                }
                reason = reasons.get(subject.fingerprint)
                scores[subject.fingerprint] = finish(
                    subject, probed, {} if reason else own_arrays, excluded, reason, bench.eval_seed
                )
        return scores


def as_own(params: Params) -> TppParams:
    """The parameters of this task; the defaults where a bench was given none."""
    return params if isinstance(params, TppParams) else TppParams()


def sets_of(params: TppParams, lm: LanguageModel, eval_seed: int) -> list[ClassSet]:
    """The sets in their order."""
    return [
        class_set(name, lm, classes=params.classes, most=params.most(), context=params.context, seed=eval_seed)
        for name in params.sets
    ]


def record(data: ClassSet) -> DataRecord:
    """How a result describes a set."""
    return DataRecord(
        part=data.name,
        name=data.name,
        fingerprint=data.fingerprint,
        licence=data.rows.licence,
        documents=data.rows.n_rows,
        tokens=data.rows.n_tokens,
        packing=dict(data.rows.packing),
        mask_rule=data.rows.mask_rule,
    )


def with_probes(data: ClassSet, activations: ActivationSet, site: str, bench: Bench) -> Probed:
    """The probes of a set, trained once for a site."""

    def make() -> Arrays:
        means = activation_means(activations, bench.rows_per_block, bench.lm.device)
        train, validation = data.questions["train"], data.questions["validation"]
        probes = [
            fit_probe(means, train.texts[c], train.y[c], validation.texts[c], validation.y[c])
            for c in range(len(data.classes))
        ]
        return {
            "weights": np.stack([probe.weights for probe in probes]),
            "validation": np.array([probe.validation for probe in probes]),
            "scores": np.stack([probe.scores(means) for probe in probes], axis=1),
        }

    identity = {"data": data.fingerprint, "site": site, "seed": bench.eval_seed, "version": PROBES_VERSION}
    return Probed(data, **bench.artefact("class probes on token means", identity, make))


def score_set(made: Probed, codes: CodeMeans, gains: Array, params: TppParams, eval_seed: int) -> dict[str, Array]:
    """Item columns of one subject on one set, unweighted, each `[sizes, C, T]` or `[C, T]`.

    Args:
        made: the set with its probes.
        codes: mean codes of its texts.
        gains: `probe_gains`, `[d_dict, C]`.
    """
    classes = made.data.classes
    by_column = sparse.csc_array(codes.means)
    train = made.data.questions["train"]
    chosen = [strongest(effects(codes.means, train, c, gains), N_VALUES[-1]) for c in range(len(classes))]
    loss = np.stack([removed(by_column, latents, gains) for latents in chosen], axis=1)
    clean, after = made.right("test", made.scores), made.right("test", made.scores - loss)
    intended, unintended = drops(clean, after)

    random = np.zeros_like(intended)
    for draw in range(params.random_draws):
        others = [
            like_frequent(codes.density, latents, f"{eval_seed}:{made.data.name}:{classes[c]}:{draw}")
            for c, latents in enumerate(chosen)
        ]
        loss_of_others = np.stack([removed(by_column, latents, gains) for latents in others], axis=1)
        own, rest = drops(clean, made.right("test", made.scores - loss_of_others))
        random += (own - rest) / params.random_draws

    within = sum(n <= len(gains) for n in N_VALUES)
    own, _ = drops(made.right("validation", made.scores), made.right("validation", made.scores - loss))
    half = first_half(made.accuracy("validation"), own[:within].mean(2))
    isolated = at_half(intended, clean - after.astype(np.float64), half)
    return {
        "intended": intended,
        "unintended": unintended,
        "random": random,
        "matrix": (clean - after.astype(np.float64)).mean(-1),
        "half": half,
        "isolation_intended": isolated[0],
        "isolation_unintended": isolated[1],
    }


def effects(codes: sparse.csr_array, train: Question, own: int, gains: Array) -> Array:
    """max(d, 0) * <w, atom> of every latent for one class, d the mean code of the class minus that of its negatives."""
    difference = mean_difference(codes, train.texts[own][train.y[own]], train.texts[own][~train.y[own]])
    return np.asarray(np.maximum(difference, 0) * gains[:, own])


def of_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Arrays whose name starts so, without the start."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def finish(
    subject: Subject,
    probed: Sequence[Probed],
    arrays: Mapping[str, Mapping[str, Array]],
    excluded: Mapping[str, str],
    reason: str | None,
    eval_seed: int,
) -> Scores:
    """Item table, details and what is undefined of one subject.

    Args:
        arrays: `score_set` of each set that was kept; empty where `reason` says why nothing was scored.
    """
    columns: dict[str, list[Array]] = {}
    items: list[str] = []
    clusters: list[str] = []

    def add(name: str, values: Array) -> None:
        columns.setdefault(name, []).append(values.ravel())

    for made in probed:
        texts = made.data.questions["test"].texts
        weight = 1 / texts.size
        items += [
            f"{made.data.name}/{c}/{made.data.hashes[t]}"
            for c, row in zip(made.data.classes, texts, strict=True)
            for t in row
        ]
        clusters += [made.data.hashes[text] for text in texts.ravel()]
        add("weight", np.full(texts.shape, weight))
        own = arrays.get(made.data.name)
        if own is None:
            continue
        for place, n in enumerate(N_VALUES):
            for name in ("intended", "unintended", "random"):
                add(f"{name}_n{n}", weight * own[name][place])
        add("isolation_intended", weight * own["isolation_intended"])
        add("isolation_unintended", weight * own["isolation_unintended"])
    if not probed:
        reason = "no data set has classes that clean probes tell apart: " + "; ".join(
            f"{name}: {why}" for name, why in excluded.items()
        )
    table = ItemTable(tuple(items), tuple(clusters), {name: np.concatenate(parts) for name, parts in columns.items()})
    undefined = {}
    if reason is not None:
        undefined = {metric.name: reason for metric in CARD.metrics}
    else:
        d_dict = subject.dictionary().d_dict
        for n in N_VALUES:
            if n > d_dict:
                why = f"the dictionary has {d_dict} latents"
                undefined |= {metric.name: why for metric in CARD.metrics if metric.name.endswith(f"_n{n}")}
        if all((own["half"] < 0).all() for own in arrays.values()):
            undefined["isolation"] = "no class probe loses half of what it knows at any n"
    return Scores(
        tables={TEXTS: table},
        details={
            "excluded": dict(excluded),
            "classes_half_removed": sum(int((own["half"] >= 0).sum()) for own in arrays.values()),
            "sets": {made.data.name: explain(made, arrays.get(made.data.name), subject) for made in probed},
            "permutation_null": nulls(probed, arrays, eval_seed),
        },
        cost={
            "seconds": float(sum(own["seconds"] for own in arrays.values())),
            "encoded_tokens": float(sum(own["tokens"] for own in arrays.values())),
        },
        undefined=undefined,
    )


def explain(made: Probed, own: Mapping[str, Array] | None, subject: Subject) -> dict[str, Any]:
    """What a result says about one set."""
    classes = {
        label: {"validation_accuracy": float(validation), "test_accuracy": float(test)}
        for label, validation, test in zip(made.data.classes, made.validation, made.accuracy("test"), strict=True)
    }
    curves: dict[str, Any] = {}
    if own is not None:
        for c, label in enumerate(made.data.classes):
            drop = own["matrix"][:, c]
            curves[label] = {
                "n": list(N_VALUES),
                "intended": drop[:, c].tolist(),
                "unintended": np.delete(drop, c, axis=1).mean(1).tolist(),
                "half_removed_at_n": N_VALUES[own["half"][c]] if own["half"][c] >= 0 else None,
            }
    known = set(subject.dictionary().provenance.documents)
    return {
        "classes": classes,
        "curves": curves,
        "texts": len(made.data.hashes),
        "texts_seen_in_training": sum(bool(known.intersection(hashes)) for hashes in made.data.seen),
        "census": dict(made.data.census),
    }


def nulls(
    probed: Sequence[Probed], arrays: Mapping[str, Mapping[str, Array]], eval_seed: int
) -> dict[str, dict[str, float]]:
    """The permutation null for each n."""
    if not arrays or not probed:
        return {}
    return {
        f"n{n}": permutation_null([arrays[made.data.name]["matrix"][place] for made in probed], eval_seed)
        for place, n in enumerate(N_VALUES)
    }
