"""`ground_truth@1`, from top to bottom: data, protocol, item scores.

Data: samples of a synthetic world's evaluation part, of which it is known what is on. Protocol: every sample is encoded
and decoded once; atoms are held against true directions, codes against what is on; a dictionary that can be is trained
on, with and without new latents, on the suite's fit part. Item scores: one row a feature, one
a latent, one a document; metrics are their means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed
from saebench.fingerprint import digest
from saebench.lm.model import LanguageModel
from saebench.lm.synthetic.realised import summary
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, Params, Request, Scores, Subject, Task
from saebench.tasks.ground_truth.absorption import absorption
from saebench.tasks.ground_truth.account import Account, Labels
from saebench.tasks.ground_truth.card import CARD, DOCUMENTS, FEATURES, GROUPS, HEDGING, LATENTS
from saebench.tasks.ground_truth.detection import detection, joint
from saebench.tasks.ground_truth.encoding import Encoded, encoded
from saebench.tasks.ground_truth.found import Found, NullOf, found, simulated_null
from saebench.tasks.ground_truth.hedging import Budget, added_to, obstacle, trained_twice
from saebench.tasks.ground_truth.mixing import mixing, strangers, together
from saebench.tasks.ground_truth.params import TruthParams
from saebench.tasks.ground_truth.probing import probe_f1
from saebench.tasks.ground_truth.truth import BANDS, Truth, truth_of, world_of

Array = np.ndarray[Any, Any]

ROWS = 16
"""Rows in a block for each row of `rows_per_block`: no logits are made here, so that blocks may be larger."""

BY_DIRECTION = tuple(
    metric.name
    for metric in CARD.metrics
    if metric.table != DOCUMENTS and metric.name not in {"probe_f1", "dead_fraction"}
)
"""Metrics that need atoms."""


class GroundTruth(Task):
    """Scores a dictionary against the true features of a world. Metrics: `card.METRICS`."""

    card = CARD
    parameters: type[Params] = TruthParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """None of its own; refuses a model whose features nobody knows.

        Raises:
            UsageError: the model is no synthetic world.
        """
        world_of(lm)
        return ()

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return (Request(subject.site), Request(subject.site, "fit"))

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """One subject after the other; the journal keeps those that are done.

        Raises:
            UsageError: the model is no synthetic world.
            DataError: there is no sample to evaluate.
        """
        params = bench.params
        assert isinstance(params, TruthParams)
        data = bench.activations(Request(subjects[0].site))
        truth = truth_of(bench.lm, data)
        null_of = kept_null(bench, truth)
        accounts: dict[str, Account] = {}
        kept = bench.journal.load()
        arrays: dict[str, Array] = dict(kept[1]) if kept else {}
        with bench.progress.bar(f"{self.card.name} {data.site}", len(subjects), "dictionary") as bar:
            for subject in bench.alive(subjects):
                key = subject.fingerprint
                held = Account.restored(key, arrays)
                with bench.guard(subject):
                    if held is None:
                        held = account_of(subject.dictionary(), truth, data, params, bench, null_of)
                        arrays |= held.arrays(key)
                        bench.journal.save(len(accounts) + 1, arrays)
                    accounts[key] = held
                bar.advance()
        shown = np.flatnonzero(np.bincount(truth.documents, minlength=len(truth.names)))
        documents = [truth.names[place] for place in shown]
        features = [f"feature-{number}" for number in range(truth.features)]
        scores = {}
        for subject in bench.alive(subjects):
            own = accounts[subject.fingerprint]
            latents = [str(number) for number in range(len(own.tables[LATENTS]["dead_fraction"]))]
            labels: Labels = {
                FEATURES: (features, truth.clusters),
                LATENTS: (latents, latents),
                DOCUMENTS: (documents, documents),
            }
            scores[subject.fingerprint] = own.scores(labels)
        return scores


def kept_null(bench: Bench, truth: Truth) -> NullOf:
    """The null of GT-MCC, simulated once for each number of latents and kept."""

    def null_of(latents: int) -> float:
        made = bench.artefact(
            "null of GT-MCC",
            {"latents": latents, "version": 1},
            lambda: {"mean": np.array(simulated_null(latents, truth.world.directions))},
        )
        return float(made["mean"])

    return null_of


def account_of(
    dictionary: Dictionary, truth: Truth, data: ActivationSet, params: TruthParams, bench: Bench, null_of: NullOf
) -> Account:
    """Everything about one dictionary.

    Raises:
        SubjectFailed: codes or reconstructions are not sound.
    """
    made = encoded(dictionary, data, ROWS * bench.rows_per_block, bench.lm.device, bench.lm.dtype)
    account = Account()
    account.tables[DOCUMENTS] = document_columns(made, truth)
    account.tables[LATENTS] = {"dead_fraction": (made.fired == 0).astype(np.float64)}
    account.tables[FEATURES] = feature_columns(truth, params)
    chooses = choosing(truth.names, bench.eval_seed)[truth.documents]
    probe, probed = probe_f1(made.codes, truth.on, chooses, params.least // 2)
    account.tables[FEATURES] |= {"probe_f1": probe * probed, "probed": probed.astype(np.float64)}
    atoms = dictionary.atoms
    if atoms is None:
        account.undefined = dict.fromkeys(BY_DIRECTION, "the decoder is not linear: latents have no atoms")
    else:
        wide = atoms.detach().cpu().double().numpy()
        held = found(wide, truth.world.directions, null_of)
        by_direction(account, held, made, truth, params)
        absorbed_columns(account, held, made, truth, wide, params)
        mixing_columns(account, held, truth, params, bench.eval_seed)
        hedging_columns(account, dictionary, params, bench, data.site)
    account.details["world"] = summary(truth.world)
    account.details["features"] = breakdown(account.tables[FEATURES], truth)
    account.undefined |= undefined(account, truth)
    account.cost |= {"encode_decode_seconds_per_million_tokens": 1e6 * made.seconds / truth.n}
    return account


def document_columns(made: Encoded, truth: Truth) -> dict[str, Array]:
    """Sums over each document that was evaluated."""
    size = len(truth.names)
    samples = np.bincount(truth.documents, minlength=size)
    columns = {
        "samples": np.ones(truth.n),
        "sse": made.error,
        "sst": made.spread,
        "l0": made.l0(),
        "l0_true": truth.counts(),
    }
    return {
        name: np.bincount(truth.documents, weights=values, minlength=size)[samples > 0]
        for name, values in columns.items()
    }


def feature_columns(truth: Truth, params: TruthParams) -> dict[str, Array]:
    """What is known of the features before any dictionary is looked at."""
    counted = truth.fired >= params.least
    members = {name: truth.band == place for place, name in enumerate(BANDS)} | {
        "roots": truth.depth == 0,
        "children": truth.depth > 0,
        "outside": truth.depth < 0,
    }
    columns = {"counted": counted, **{f"counted_{name}": counted & members[name] for name in GROUPS}}
    fixed = {"fired": truth.fired, "rate": truth.measured.rate, "depth": truth.depth, "band": truth.band}
    return {name: np.asarray(values, dtype=np.float64) for name, values in {**columns, **fixed}.items()}


def choosing(names: Sequence[str], seed: int) -> Array:
    """Which documents choose latents and thresholds of probes, bool `[documents]`: half of them, by seed and name."""
    order = sorted(range(len(names)), key=lambda place: digest([seed, "probe", names[place]]))
    chooses = np.zeros(len(names), dtype=bool)
    chooses[order[: len(order) // 2]] = True
    return chooses


def by_direction(account: Account, held: Found, made: Encoded, truth: Truth, params: TruthParams) -> None:
    """Matching of directions, and detection by the latents that stand for features."""
    size = truth.features
    features, latents = account.tables[FEATURES], account.tables[LATENTS]
    active, on = made.on(), truth.on

    own = detection(joint(active, on, held.best), made.fired, truth.fired[held.best] * (held.best >= 0))
    latents["latent_f1"], latents["latent_precision"], latents["latent_recall"] = own.f1, own.precision, own.recall
    stands = np.zeros(len(held.best))
    stands[held.claimed[held.claimed >= 0]] = 1.0
    latents["uniqueness"] = stands

    missed = held.claimed < 0
    counted = features["counted"]
    for name, values in (("f1", own.f1), ("precision", own.precision), ("recall", own.recall)):
        features[name] = np.where(missed, 0.0, values[held.claimed]) * counted
    for name in GROUPS:
        features[f"f1_{name}"] = features["f1"] * features[f"counted_{name}"]
    features["coverage"] = (held.reach > params.covered).astype(np.float64)
    features["closest_cosine"] = held.reach

    for matching, cosine, matched in (
        (held.matched, "matched_cosine", "matched"),
        (held.matched_signed, "signed_cosine", "signed_matched"),
    ):
        features[cosine], features[matched] = np.zeros(size), np.zeros(size)
        features[cosine][matching.assignment.columns] = matching.cosines
        features[matched][matching.assignment.columns] = 1.0
    features["matched_null"] = held.null * features["matched"]
    account.details |= {
        "null": {"mcc": held.null},
        "assignment": {"solver": held.matched.solver, "error_bound": held.matched.assignment.error_bound},
        "missed_features": int(missed.sum()),
        "zero_atoms": int(held.atoms.zero.sum()),
    }


def absorbed_columns(
    account: Account, held: Found, made: Encoded, truth: Truth, atoms: Array, params: TruthParams
) -> None:
    """Absorption, over parents whose latent has found them."""
    near = np.append(held.cosine, 0.0)[held.claimed] > params.covered
    own = np.where((held.claimed >= 0) & near, held.claimed, -1)
    rates = absorption(truth, made.codes, atoms, own, held.closest, carried=params.carried, least=params.least)
    account.tables[FEATURES] |= {
        "absorption": rates.absorbed,
        "parent_silent_with_child": rates.silent,
        "parent_silent_alone": rates.silent_alone,
        "parents": rates.counted.astype(np.float64),
        "parents_alone": rates.counted_alone.astype(np.float64),
    }


def mixing_columns(account: Account, held: Found, truth: Truth, params: TruthParams, seed: int) -> None:
    """Mixing, over latents that have found a feature."""
    own = np.where(held.cosine > params.covered, held.best, -1)
    partners = together(truth.measured.partners, truth.measured.phi)
    others = strangers(partners, truth.measured.partners, seed)
    directions, atoms = truth.world.directions, held.atoms.values.numpy()
    value, counted = mixing(atoms, own, directions, partners)
    noise, _ = mixing(atoms, own, directions, others)
    account.tables[LATENTS] |= {
        "mixing": value,
        "mixing_strangers": noise * counted,
        "mixed": counted.astype(np.float64),
    }


def hedging_columns(account: Account, dictionary: Dictionary, params: TruthParams, bench: Bench, site: str) -> None:
    """Hedging, of a dictionary that can be trained on; of any other the reason."""
    added = params.hedging_latents or added_to(dictionary.d_in)
    if reason := obstacle(dictionary, params.hedging_steps, added):
        account.undefined |= dict.fromkeys(HEDGING, reason)
        return
    fit, budget = bench.activations(Request(site, "fit")), Budget(params.hedging_steps, added, bench.eval_seed)
    began = time.perf_counter()
    try:
        made, account.details["hedging"] = trained_twice(dictionary, fit, budget, bench.lm.device)
    except SubjectFailed as error:
        account.undefined |= dict.fromkeys(HEDGING, str(error))
        return
    account.cost["hedging_seconds"] = time.perf_counter() - began
    account.tables[LATENTS] |= {
        "hedging_projected": made.projected,
        "hedging_random": made.random,
        "hedging_norm": made.norm,
    }


def breakdown(features: Mapping[str, Array], truth: Truth) -> dict[str, Any]:
    """Means by frequency and by depth, of groups with a feature; None where nothing counts."""
    groups = {name: truth.band == place for place, name in enumerate(BANDS)}
    groups |= {f"depth {depth}" if depth >= 0 else "outside": truth.depth == depth for depth in np.unique(truth.depth)}
    over = {
        "f1": "counted",
        "precision": "counted",
        "recall": "counted",
        "probe_f1": "probed",
        "coverage": None,
        "closest_cosine": None,
        "absorption": "parents",
    }
    table = {}
    for name, members in groups.items():
        if not members.any():
            continue
        rates = truth.measured.rate[members]
        row: dict[str, Any] = {"features": int(members.sum()), "rates": [float(rates.min()), float(rates.max())]}
        for metric, counted in over.items():
            if metric in features:
                weight = members * (features[counted] if counted else 1.0)
                row[metric] = float((features[metric] * weight).sum() / weight.sum()) if weight.sum() else None
        table[name] = row
    return table


def undefined(account: Account, truth: Truth) -> dict[str, str]:
    """Metrics that nothing counts for, with the reason."""
    reasons = {}
    features = account.tables[FEATURES]
    for name, which in GROUPS.items():
        if f"f1_{name}" in features and not features[f"counted_{name}"].any():
            reasons[f"f1_{name}"] = f"no feature {which} fires often enough in the evaluated samples"
    if not features["counted"].any():
        few = "no feature fires often enough in the evaluated samples"
        reasons |= dict.fromkeys([name for name in ("f1", "precision", "recall") if name in features], few)
    if not features["probed"].any():
        reasons["probe_f1"] = "no feature fires often enough in both halves of the documents"
    parents = (
        "no parent has a latent of its own and enough samples" if truth.descendants else "the world has no hierarchy"
    )
    for counted, names in {
        "parents": ("absorption", "parent_silent_with_child"),
        "parents_alone": ("parent_silent_alone",),
    }.items():
        if counted in features and not features[counted].any():
            reasons |= dict.fromkeys(names, parents)
    if "mixed" in account.tables[LATENTS] and not account.tables[LATENTS]["mixed"].any():
        reasons |= dict.fromkeys(
            ("mixing", "mixing_strangers"), "no latent has found a feature that fires together with another one"
        )
    if "matched_null" in features and (features["matched_null"] >= features["matched"]).all():
        reasons["mcc_above_null"] = "random atoms match perfectly: nothing can be told from chance"
    return reasons
