"""`sparse_probing@1`, from top to bottom: data, protocol, item scores.

Data: labelled sets without repeated or contradicted prompts; each asks one question (two classes) or one for each
class against the rest, split by the hash of the prompt. Protocol: one vector a text and subject; probes on the best k
latents, on all, and on the raw activation, hyper-parameters by validation AUC inside the training rows. What does not
depend on the subject is made once. Item scores: measures on the test rows of each question; metrics are their means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.errors import ConfigError
from saebench.lm.model import LanguageModel
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.sparse_probing.card import BASELINES, CARD, COUNTED, KS, MEASURES, QUESTIONS, SHARE, TEXTS
from saebench.tasks.sparse_probing.compat import COMPAT_KS, compat_latent_probes, compat_raw_probe
from saebench.tasks.sparse_probing.compat_data import compat_sets
from saebench.tasks.sparse_probing.features import Values, active_latents, best_latents, binary
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.pooled import latent_values, raw_vectors
from saebench.tasks.sparse_probing.probes import Outcome, latent_probes, raw_probes
from saebench.tasks.sparse_probing.questions import ProbedSet, Question, iterate, probed_sets, shared_prompts

Array = np.ndarray[Any, Any]

SHOWN = 5
"""Latents that the details name for each question."""
REVISION = 1
"""Raise it when probes of the raw activation mean something else."""


@dataclass
class Account:
    """What is known of one subject so far: a row of numbers for each question that is done, in order."""

    columns: tuple[str, ...]
    rows: list[list[float]] = field(default_factory=list)
    latents: list[list[int]] = field(default_factory=list)
    """The best latents of each question, filled up with -1."""
    texts: list[Array] = field(default_factory=list)
    """`auc_by_text` of each question, `[test rows, numbers of latents]`."""
    seconds: float = 0.0

    def arrays(self, key: str) -> dict[str, Array]:
        """For the journal."""
        return {
            f"{key}/rows": np.array(self.rows).reshape(len(self.rows), len(self.columns)),
            f"{key}/latents": np.array(self.latents, dtype=np.int64).reshape(len(self.latents), SHOWN),
            f"{key}/texts": np.concatenate([*self.texts, np.zeros((0, len(self.probed)))]),
            f"{key}/sizes": np.array([len(texts) for texts in self.texts], dtype=np.int64),
            f"{key}/seconds": np.array(self.seconds),
        }

    @property
    def probed(self) -> tuple[str, ...]:
        """The columns of `texts`."""
        return tuple(name for name in (f"auc_k{k}" for k in KS) if name in self.columns)

    def restore(self, key: str, arrays: Mapping[str, Array]) -> None:
        """The inverse of `arrays`."""
        self.rows = arrays[f"{key}/rows"].tolist()
        self.latents = arrays[f"{key}/latents"].tolist()
        self.texts = np.split(arrays[f"{key}/texts"], np.cumsum(arrays[f"{key}/sizes"])[:-1])
        self.seconds = float(arrays[f"{key}/seconds"])

    def column(self, name: str) -> Array:
        """One column over the questions."""
        return np.array([row[self.columns.index(name)] for row in self.rows], dtype=np.float64)


class SparseProbing(Task):
    """Scores a dictionary by what probes of a few of its latents know. Metrics: `card.METRICS`."""

    card = CARD
    parameters: type[Params] = ProbingParams

    def __init__(self) -> None:
        self._made: dict[tuple[ProbingParams, str, int], tuple[ProbedSet, ...]] = {}

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        return tuple(one.record() for one in self.sets(params, lm, eval_seed))

    def sets(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[ProbedSet, ...]:
        """The data sets with their questions, read once for each setting.

        Raises:
            ConfigError: parameters that do not go together.
            DataError: a set that cannot be asked about.
        """
        assert isinstance(params, ProbingParams)
        key = (params, lm.tokenizer_hash, eval_seed)
        if key not in self._made:
            check(params)
            make = compat_sets if params.mode == "sae_probes" else probed_sets
            self._made[key] = make(params, lm, eval_seed)
        return self._made[key]

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Set by set: the activations once, the probes that all subjects share once, then each subject's own."""
        params = bench.params
        assert isinstance(params, ProbingParams)
        site = subjects[0].site
        sets = self.sets(params, bench.lm, bench.eval_seed)
        accounts: dict[str, Account] = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                accounts[subject.fingerprint] = Account(columns_of(params, subject.dictionary().d_dict))
        done = restore(bench, subjects, accounts)
        with bench.progress.bar(f"{self.card.name} {site}", len(sets), "set") as bar:
            bar.advance(done)
            for index in range(done, len(sets)):
                if not any(bench.alive(subjects)):
                    break
                probed = sets[index]
                shared = raw_outcomes(bench, probed, site)
                for subject in bench.alive(subjects):
                    with bench.guard(subject):
                        account = accounts[subject.fingerprint]
                        began = time.perf_counter()
                        values = latent_values(bench, subject.dictionary(), probed.rows, site, params.pooling)
                        for question, raw in zip(probed.questions, shared, strict=True):
                            score_question(account, values, question, raw, params, bench.eval_seed)
                        account.seconds += time.perf_counter() - began
                bench.journal.save(index + 1, snapshot(bench, subjects, accounts))
                bar.advance()
        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                documents = frozenset(subject.dictionary().provenance.documents)
                width = subject.dictionary().d_dict
                scores[subject.fingerprint] = finish(accounts[subject.fingerprint], sets, params, documents, width)
        return scores


def check(params: ProbingParams) -> None:
    """Refuse parameters that do not go together.

    Raises:
        ConfigError: says which.
    """
    if params.mode == "sae_probes" and (params.regime != "standard" or params.pooling != "last"):
        raise ConfigError(
            "mode sae_probes reproduces the package's standard setting on last tokens and nothing else", field="mode"
        )
    if params.levels and params.regime in {"standard", "shift"}:
        raise ConfigError(f"regime {params.regime} has no levels", field="levels")
    for level in params.levels:
        if params.regime == "scarcity" and not (level >= 2 and level == int(level)):
            raise ConfigError(f"{level:g} is no number of training rows", field="levels")
        if params.regime == "imbalance" and not 0 < level < 1:
            raise ConfigError(f"{level:g} is no share of positives", field="levels")
        if params.regime == "noise" and not 0 <= level <= 0.5:
            raise ConfigError(f"{level:g} is no share of flipped labels, 0 to 0.5", field="levels")


def ks_of(params: ProbingParams, d_dict: int) -> tuple[str, ...]:
    """Names of the numbers of latents that are probed."""
    names = COMPAT_KS if params.mode == "sae_probes" else tuple(KS)
    return tuple(name for name in names if KS[name] is None or (KS[name] or 0) <= d_dict)


def baselines_of(params: ProbingParams) -> tuple[str, ...]:
    """Probes of the raw activation that the mode has."""
    return ("logreg",) if params.mode == "sae_probes" else BASELINES


def columns_of(params: ProbingParams, d_dict: int) -> tuple[str, ...]:
    """Columns of the item table, before they are multiplied by `counted`."""
    own = [f"{measure}_k{k}" for k in ks_of(params, d_dict) for measure in MEASURES]
    raw = [f"auc_{name}" for name in baselines_of(params)]
    quiver = ["auc_quiver", "auc_quiver_with_dictionary", "quiver_gain", "dictionary_chosen"]
    return (*own, *raw, *([] if params.mode == "sae_probes" else quiver), "l0")


def raw_outcomes(bench: Bench, probed: ProbedSet, site: str) -> list[dict[str, Outcome]]:
    """Probes of the raw activation for each question of a set, made once for all subjects."""
    params = bench.params
    assert isinstance(params, ProbingParams)
    names = baselines_of(params)

    def make() -> dict[str, Array]:
        x = raw_vectors(bench, probed.rows, site, params.pooling)
        rows = []
        for question in probed.questions:
            if params.mode == "sae_probes":
                made = {"logreg": compat_raw_probe(x, question.asked, bench.eval_seed)}
            else:
                made = raw_probes(x.astype(np.float64), question.asked, bench.eval_seed)
            rows.append([made[name].row() for name in names])
        return {"outcomes": np.array(rows)}

    identity = {
        "set": probed.fingerprint(),
        "site": site,
        "pooling": params.pooling,
        "mode": params.mode,
        "seed": bench.eval_seed,
        "version": REVISION,
    }
    kept = bench.artefact("probes of raw activations", identity, make)["outcomes"]
    return [{name: Outcome.of_row(row) for name, row in zip(names, rows, strict=True)} for rows in kept]


def score_question(
    account: Account, values: Values, question: Question, raw: Mapping[str, Outcome], params: ProbingParams, seed: int
) -> None:
    """Fit one subject's probes on one question and append its row."""
    asked = question.asked
    if params.mode == "sae_probes":
        own = compat_latent_probes(values, asked, seed, params.binarise)
    else:
        values = binary(values) if params.binarise else values
        own = latent_probes(values, asked, seed)
    row = {f"{measure}_k{k}": getattr(one, measure) for k, one in own.items() for measure in MEASURES}
    row |= {f"auc_{name}": one.auc for name, one in raw.items()}
    if params.mode == "saebench":
        best = max(raw.values(), key=lambda one: one.validation)
        rival = max(own.values(), key=lambda one: one.validation)
        chosen = rival.validation > best.validation
        joined = rival.auc if chosen else best.auc
        row |= {
            "auc_quiver": best.auc,
            "auc_quiver_with_dictionary": joined,
            "quiver_gain": joined - best.auc,
            "dictionary_chosen": float(chosen),
        }
    row["l0"] = float(active_latents(values[np.concatenate([asked.train, asked.test])]).mean())
    account.rows.append([row[name] for name in account.columns])
    by_text = [own[name.removeprefix("auc_k")].by_text for name in account.probed]
    account.texts.append(np.column_stack([column for column in by_text if column is not None]))
    latents = best_latents(values[asked.train], asked.y_train, SHOWN).tolist()
    account.latents.append(latents + [-1] * (SHOWN - len(latents)))


def snapshot(bench: Bench, subjects: Sequence[Subject], accounts: Mapping[str, Account]) -> dict[str, Array]:
    """The arrays that a journal keeps; subjects that failed are left out."""
    arrays: dict[str, Array] = {}
    for subject in bench.alive(subjects):
        arrays |= accounts[subject.fingerprint].arrays(subject.fingerprint)
    return arrays


def restore(bench: Bench, subjects: Sequence[Subject], accounts: Mapping[str, Account]) -> int:
    """Take up a journal where there is one. Returns the number of sets that are done."""
    kept = bench.journal.load()
    if kept is None:
        return 0
    done, arrays = kept
    if any(f"{subject.fingerprint}/rows" not in arrays for subject in bench.alive(subjects)):
        return 0
    for subject in bench.alive(subjects):
        accounts[subject.fingerprint].restore(subject.fingerprint, arrays)
    return done


def finish(
    account: Account, sets: Sequence[ProbedSet], params: ProbingParams, documents: frozenset[str], d_dict: int
) -> Scores:
    """Item table and details of one subject.

    Args:
        account: a row for every question.
        sets: the data.
        params: the settings.
        documents: hashes of the subject's training documents.
        d_dict: its width.
    """
    asked = list(iterate(sets))
    names = tuple(question.name for _, question in asked)
    seen = {question.name: shared_prompts(one, question, documents) for one, question in asked} if documents else {}
    contaminated = {name: count for name, count in seen.items() if count}
    counted = np.array([float(name not in contaminated) for name in names])
    columns = {name: account.column(name) * counted for name in account.columns} | {COUNTED: counted}
    sizes = np.array([len(question.asked.test) for _, question in asked])
    share = np.repeat(counted / sizes, sizes)
    texts = {name: share * column for name, column in zip(account.probed, np.concatenate(account.texts).T, strict=True)}
    hashes = tuple(one.hashes[row][0] for one, question in asked for row in question.asked.test)
    places = tuple(f"{question.name}/{place}" for _, question in asked for place in range(len(question.asked.test)))
    undefined = missing(account.columns, params, d_dict)
    if not counted.any():
        reason = f"all {len(names)} questions share prompts with the dictionary's training documents"
        undefined |= {metric.name: reason for metric in CARD.metrics}
    return Scores(
        tables={
            QUESTIONS: ItemTable(names, tuple(one.family for one, _ in asked), columns),
            TEXTS: ItemTable(places, hashes, {**texts, SHARE: share}),
        },
        details={
            "mode": params.mode,
            "leak": "repeated prompts train and test" if params.mode == "sae_probes" else "none",
            "sets": {one.name: dict(one.about) for one in sets},
            "contaminated": contaminated,
            "questions": {
                question.name: {
                    "train": len(question.asked.train),
                    "test": len(question.asked.test),
                    "latents": [latent for latent in latents if latent >= 0],
                }
                for (_, question), latents in zip(asked, account.latents, strict=True)
            },
        },
        cost={"seconds": account.seconds},
        undefined=undefined,
    )


def missing(columns: Sequence[str], params: ProbingParams, d_dict: int) -> dict[str, str]:
    """Metrics that this subject or mode does not have, with the reason."""
    reasons = {}
    for metric in CARD.metrics:
        name = metric.name.removesuffix("_by_text")
        if name not in columns:
            k = KS.get(name.partition("_k")[2])
            narrow = k is not None and k > d_dict
            reasons[metric.name] = (
                f"the dictionary has {d_dict} latents, fewer than {k}"
                if narrow
                else "mode sae_probes has no such probe"
            )
    return reasons
