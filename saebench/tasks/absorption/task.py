"""`absorption@1`, from top to bottom: data, protocol, item scores.

Data: words of the model's own vocabulary, split by hash, each at the end of a prompt that shows ten others with their
first letter. Protocol: activations of the words' last tokens and linear probes for the 26 letters are made once for a
site. Each dictionary encodes these activations; the latents that stand for a letter are found on training words, and on
the held-out words that the letter's probe finds it is asked which latents carry the letter. A few absorbed words pass
the model again without their absorbers. Item scores: one row a letter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from scipy import sparse

from saebench.data.layout import MASK_RULE, begin_and_pad
from saebench.errors import SubjectFailed
from saebench.results.schema import DataRecord
from saebench.tasks.absorption.card import CARD, NEEDS_ATOMS, NEEDS_CHECKS, TABLE
from saebench.tasks.absorption.causal import Question, Removal, answer_tokens, gaps, questions
from saebench.tasks.absorption.measures import SILENT, WordScores, score_words
from saebench.tasks.absorption.probes import Array, Probes, Quality, coordinate_size, qualities, train_probes
from saebench.tasks.absorption.selection import (
    KSparse,
    Matrix,
    as_dense,
    as_matrix,
    k_sparse_probes,
    l0,
    scaled,
    scores_of_latents,
)
from saebench.tasks.absorption.words import LETTERS, WordSets, word_sets
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel

TOKENS_PER_ROW = 64
"""Words that are encoded together, for each row of the run's block size."""
EXAMPLES_SHOWN = 3
"""Absorbed words that the details name for each letter."""

COLUMNS = (
    "counted",
    "words",
    "absorption_fraction_2024",
    "absorption_fraction_2026",
    "full_absorption",
    "absorbed_rate",
    "missing_rate",
    "partial_rate",
    "present_rate",
    "split_latents",
    "first_letter_f1_k1",
    "first_letter_f1_k5",
    "l0",
    "checked",
    "absorber_effect",
    "random_effect",
)


class AbsorptionParams(Params):
    """What a suite may set."""

    train_words: int = Field(default=100, ge=1)
    """Training words of each letter, at most."""
    test_words: int = Field(default=40, ge=1)
    """Held-out words of each letter, at most."""
    examples: int = Field(default=10, ge=0)
    """Answered examples in a prompt."""
    min_probe_f1: float = Field(default=0.6, ge=0, le=1)
    """A letter counts where its probe's F1 on held-out words is above this."""
    min_true_positives: int = Field(default=5, ge=1)
    """A letter counts where its probe finds so many of its held-out words."""
    min_letters: int = Field(default=20, ge=1, le=26)
    """With fewer letters that count every metric is undefined."""
    max_latents: int = Field(default=10, ge=1)
    """Largest number of latents that a letter may be split into."""
    split_jump: float = Field(default=0.03, ge=0)
    """Rise of F1 that makes one more latent a main one."""
    penalty: float = Field(default=0.01, gt=0)
    """On the sum of absolute weights, where latents are selected."""
    checked_words: int = Field(default=2, ge=0)
    """Absorbed words of each letter that pass the model again without their absorbers, at most."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What all dictionaries of a site share."""

    words: WordSets
    train_x: Array
    """`[n_train, d]` float32."""
    test_x: Array
    probes: Probes
    quality: tuple[Quality, ...]
    found: Array
    """bool `[n_test, 26]`: the held-out word has the letter and the letter's probe says so."""
    counted: tuple[int, ...]
    """Letters that count."""
    size: float
    """Root mean square of the coordinates of training activations."""


@dataclass
class Letter:
    """What one dictionary makes of one letter that counts."""

    probes: KSparse
    main: tuple[int, ...]
    rows: Array
    """Its words, as rows of the held-out words."""
    words: WordScores | None = None
    columns: dict[str, float] = field(default_factory=dict)


class Absorption(Task):
    """Scores a dictionary by whether the latents of a first letter fire on all its words. Metrics: `card.METRICS`."""

    card = CARD
    parameters = AbsorptionParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        words = words_of(params, lm, eval_seed)
        sides = (words.train, words.test)
        begin, pad = begin_and_pad(lm.tokenizer)
        return (
            DataRecord(
                part="words",
                name="first letters of the model's vocabulary",
                fingerprint=words.fingerprint(),
                licence="words of the model's own vocabulary",
                documents=sum(len(side.words) for side in sides),
                tokens=sum(len(side.words) for side in sides),
                packing={"layout": "one text a row", "begin_id": begin, "pad_id": pad},
                mask_rule=f"last token of the word; {MASK_RULE}",
            ),
        )

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Prompts and probes once, then one subject after the other."""
        params = bench.params
        assert isinstance(params, AbsorptionParams)
        site = subjects[0].site
        words = words_of(params, bench.lm, bench.eval_seed)
        asked = len(set(words.train.letters.tolist()) & set(words.test.letters.tolist()))
        if asked < params.min_letters:
            reason = f"the vocabulary has words to train and to test for {asked} of 26 letters"
            return undecided(subjects, f"{reason}; {params.min_letters} are needed", word_details(words))
        ground = make_ground(words, params, bench, site)
        if len(ground.counted) < params.min_letters:
            reason = (
                f"{len(ground.counted)} of 26 letters have a probe with F1 > {params.min_probe_f1:g} that finds at "
                f"least {params.min_true_positives} held-out words; {params.min_letters} are needed"
            )
            return undecided(subjects, reason, probe_details(ground, params))

        kept = bench.journal.load()
        held = dict(kept[1]) if kept else {}
        scores = {}
        with bench.progress.bar(f"{self.card.name} {site}", len(subjects), "dictionary") as bar:
            for done, subject in enumerate(subjects, start=1):
                with bench.guard(subject):
                    if subject.fingerprint in held:
                        scores[subject.fingerprint] = from_text(str(held[subject.fingerprint]))
                    else:
                        began = time.perf_counter()
                        made = score(subject.dictionary(), ground, params, bench, site, began)
                        held[subject.fingerprint] = np.array(to_text(made))
                        scores[subject.fingerprint] = made
                        bench.journal.save(done, held)
                bar.advance()
        return scores


def words_of(params: Params, lm: LanguageModel, eval_seed: int) -> WordSets:
    """The words of the model's vocabulary with their prompts."""
    assert isinstance(params, AbsorptionParams)
    return word_sets(
        lm.tokenizer,
        train_words=params.train_words,
        test_words=params.test_words,
        examples=params.examples,
        seed=eval_seed,
    )


def make_ground(words: WordSets, params: AbsorptionParams, bench: Bench, site: str) -> Ground:
    """Activations, probes and their quality: read where they were made before, without a pass of the model."""
    train, test = (side.rows(bench.lm.tokenizer, bench.lm.tokenizer_hash) for side in (words.train, words.test))
    train_x, test_x = bench.last_tokens(train, site), bench.last_tokens(test, site)

    def make() -> dict[str, Array]:
        made = train_probes(train_x, words.train.letters, bench.eval_seed)
        return {"weights": made.weights, "biases": made.biases}

    identity = {"version": 1, "site": site, "words": train.fingerprint, "seed": bench.eval_seed}
    probes = Probes(**bench.artefact("first-letter probes", identity, make))
    logits = probes.logits(test_x)
    quality = qualities(logits, words.test.letters)
    return Ground(
        words=words,
        train_x=train_x,
        test_x=test_x,
        probes=probes,
        quality=quality,
        found=(logits > 0) & (words.test.letters[:, None] == np.arange(len(LETTERS))),
        counted=tuple(letter for letter, one in enumerate(quality) if not why_not(one, params)),
        size=coordinate_size(train_x),
    )


def why_not(quality: Quality, params: AbsorptionParams) -> str:
    """Why a letter does not count; nothing where it does."""
    if quality.f1 is None:
        return "no held-out word"
    if quality.f1 <= params.min_probe_f1:
        return f"probe F1 {quality.f1:.2f} is not above {params.min_probe_f1:g}"
    if quality.true_positives < params.min_true_positives:
        return f"{quality.true_positives} true positives, {params.min_true_positives} are needed"
    return ""


def score(
    dictionary: Dictionary, ground: Ground, params: AbsorptionParams, bench: Bench, site: str, began: float
) -> Scores:
    """One dictionary.

    Raises:
        SubjectFailed: it reads whole sequences, or its codes are not finite.
    """
    train = encode(dictionary, ground.train_x, bench)
    test = encode(dictionary, ground.test_x, bench)
    atoms = dictionary.atoms
    wide = None if atoms is None else atoms.detach().cpu().double().numpy()
    norms = np.ones(dictionary.d_dict) if wide is None else np.linalg.norm(wide, axis=1)
    letters = select(train, test, norms / ground.size, ground, params, dictionary.traits.signed)
    active = l0(test)
    for letter, one in letters.items():
        one.columns |= {
            "counted": 1.0,
            "words": float(len(one.rows)),
            "split_latents": float(len(one.main)),
            "first_letter_f1_k1": one.probes.f1[0],
            "first_letter_f1_k5": one.probes.f1[:5][-1],
            "l0": float(active[ground.words.test.letters == letter].mean()),
        }
    undefined: dict[str, str] = {}
    if wide is None:
        undefined |= dict.fromkeys((*NEEDS_ATOMS, *NEEDS_CHECKS), "the decoder is not linear: latents have no atoms")
    else:
        measure(letters, test, wide, norms, ground)
        reason = check(letters, test, wide, norms, ground, params, bench, site)
        undefined |= dict.fromkeys(NEEDS_CHECKS, reason) if reason else {}
    columns = {
        name: np.array([letters[place].columns.get(name, 0.0) if place in letters else 0.0 for place in range(26)])
        for name in COLUMNS
    }
    return Scores(
        tables={TABLE: ItemTable(tuple(LETTERS), tuple(LETTERS), columns)},
        details={"letters": letter_details(letters, ground, params)},
        cost={"seconds": time.perf_counter() - began},
        undefined=undefined,
    )


def encode(dictionary: Dictionary, x: Array, bench: Bench) -> Matrix:
    """Codes `[n, d_dict]`, float64.

    Raises:
        SubjectFailed: the dictionary reads whole sequences, or its codes are not finite.
    """
    if dictionary.traits.sequence_coupled:
        raise SubjectFailed("it encodes whole sequences, and this task hands over single tokens")
    size = bench.rows_per_block * TOKENS_PER_ROW
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(x), size):
            block = torch.from_numpy(x[start : start + size]).to(bench.lm.device, bench.lm.dtype)
            codes = dictionary.encode(block).dense().double().cpu().numpy()
            if not np.isfinite(codes).all():
                raise SubjectFailed("its codes hold NaN or an infinity")
            blocks.append(sparse.csr_array(codes))
    return as_matrix(sparse.vstack(blocks, format="csr"))


def select(
    train: Matrix, test: Matrix, scale: Array, ground: Ground, params: AbsorptionParams, signed: bool
) -> dict[int, Letter]:
    """The latents of each letter that counts, found on training words; how many of them, by F1 on held-out words."""
    fitted, held_out = scaled(train, scale), scaled(test, scale)
    positive = ground.words.train.letters[:, None] == np.array(ground.counted)
    ranks = scores_of_latents(fitted, positive, params.penalty, signed)
    letters = {}
    for column, letter in enumerate(ground.counted):
        probes = k_sparse_probes(
            fitted,
            positive[:, column],
            held_out,
            ground.words.test.letters == letter,
            ranks[:, column],
            params.max_latents,
        )
        letters[letter] = Letter(probes, probes.main(params.split_jump), np.flatnonzero(ground.found[:, letter]))
    return letters


def measure(letters: Mapping[int, Letter], test: Matrix, atoms: Array, norms: Array, ground: Ground) -> None:
    """Absorption of each letter on its words."""
    for letter, one in letters.items():
        direction = ground.probes.directions[letter]
        written = atoms @ direction
        codes = as_dense(test[one.rows])
        one.words = score_words(
            a=ground.test_x[one.rows].astype(np.float64) @ direction,
            s=codes * written,
            silent=np.abs(codes * norms) < SILENT,
            cosines=written / np.where(norms > 0, norms, 1.0),
            main=one.main,
        )
        one.columns |= {
            "absorption_fraction_2024": float(one.words.fraction_2024.mean()),
            "absorption_fraction_2026": float(one.words.fraction_2026.mean()),
            "full_absorption": float(one.words.full.mean()),
            "absorbed_rate": float(one.words.absorbed.mean()),
            "missing_rate": float(one.words.missing.mean()),
            "partial_rate": float(one.words.partial.mean()),
            "present_rate": float(one.words.present.mean()),
        }


def check(
    letters: Mapping[int, Letter],
    test: Matrix,
    atoms: Array,
    norms: Array,
    ground: Ground,
    params: AbsorptionParams,
    bench: Bench,
    site: str,
) -> str:
    """The causal check, on the first absorbed words of each letter. Returns why it has no value, or nothing."""
    if params.checked_words == 0:
        return "the causal check was not asked for: checked_words is 0"
    answers = answer_tokens(bench.lm.tokenizer)
    if answers is None:
        return "the tokenizer does not begin the 26 answers with 26 tokens"
    begin, _ = begin_and_pad(bench.lm.tokenizer)
    asked: list[Question] = []
    removals: list[Removal] = []
    owners: list[int] = []
    for letter, one in letters.items():
        assert one.words is not None
        chosen = np.flatnonzero(one.words.absorbed)[: params.checked_words]
        texts = questions(ground.words.test, one.rows[chosen].tolist(), bench.lm.tokenizer, begin)
        for index, question in zip(chosen, texts, strict=True):
            if question is None:
                continue
            row = int(one.rows[index])
            codes = as_dense(test[[row]])[0]
            absorbers = one.words.absorbers[index]
            absorbers = absorbers[absorbers >= 0]
            control = drawn(
                codes * norms, {*absorbers.tolist(), *one.main}, len(absorbers), ground, row, bench.eval_seed
            )
            asked.append(question)
            absorbed, other = (torch.from_numpy(codes[some] @ atoms[some]) for some in (absorbers, control))
            removals.append(Removal(absorbed, other))
            owners.append(letter)
    if not asked:
        return "no word is absorbed: there is no absorber to take out"
    made = gaps(bench.lm, site, asked, removals, np.array(owners), answers, bench.progress)
    for letter, (untouched, without, control_gap) in zip(owners, made, strict=True):
        columns = letters[letter].columns
        for name, value in (
            ("checked", 1.0),
            ("absorber_effect", untouched - without),
            ("random_effect", untouched - control_gap),
        ):
            columns[name] = columns.get(name, 0.0) + float(value)
    return ""


def drawn(contributions: Array, taken: set[int], count: int, ground: Ground, row: int, seed: int) -> Array:
    """`count` active latents that are not `taken`, drawn for a word: by their rank in size, not by their number."""
    order = np.argsort(-np.abs(contributions), kind="stable")
    order = order[contributions[order] != 0]
    free = np.array([latent for latent in order.tolist() if latent not in taken], dtype=np.int64)
    draw = np.random.default_rng([seed, *ground.words.test.words[row].key])
    return free[draw.choice(len(free), size=min(count, len(free)), replace=False)] if len(free) else free


def letter_details(letters: Mapping[int, Letter], ground: Ground, params: AbsorptionParams) -> dict[str, Any]:
    """For each letter its probe, and where it counts its latents, their F1, and a few absorbed words."""
    details = probe_details(ground, params)
    for letter, one in letters.items():
        own = details[LETTERS[letter]]
        own["main_latents"] = list(one.main)
        own["f1_by_k"] = [round(value, 6) for value in one.probes.f1]
        if one.words is not None:
            places = np.flatnonzero(one.words.absorbed)[:EXAMPLES_SHOWN]
            own["absorbed_words"] = [
                {
                    "word": ground.words.test.words[one.rows[place]].text,
                    "absorbers": [int(latent) for latent in one.words.absorbers[place] if latent >= 0],
                }
                for place in places
            ]
    return details


def word_details(words: WordSets) -> dict[str, Any]:
    """For each letter its words."""
    return {
        name: {
            "vocabulary_words": words.found[place],
            "train_words": int((words.train.letters == place).sum()),
            "test_words": int((words.test.letters == place).sum()),
        }
        for place, name in enumerate(LETTERS)
    }


def probe_details(ground: Ground, params: AbsorptionParams) -> dict[str, Any]:
    """The quality of each letter's probe as well, and why the letter does not count, where it does not."""
    details = word_details(ground.words)
    for own, quality in zip(details.values(), ground.quality, strict=True):
        own["true_positives"] = quality.true_positives
        own["probe_f1"] = quality.f1
        own["probe_auc"] = quality.auc
        own["left_out"] = why_not(quality, params) or None
    return details


def undecided(subjects: Sequence[Subject], reason: str, letters: Mapping[str, Any]) -> dict[str, Scores]:
    """Every metric of every subject undefined."""
    undefined = {metric.name: reason for metric in CARD.metrics}
    scores = Scores(tables={}, details={"letters": letters}, undefined=undefined)
    return {subject.fingerprint: scores for subject in subjects}


def to_text(scores: Scores) -> str:
    """Scores of one subject for the journal."""
    columns = {name: column.tolist() for name, column in scores.tables[TABLE].columns.items()}
    return json.dumps(
        {
            "columns": columns,
            "details": dict(scores.details),
            "cost": dict(scores.cost),
            "undefined": dict(scores.undefined),
        }
    )


def from_text(text: str) -> Scores:
    """The inverse of `to_text`."""
    kept = json.loads(text)
    columns = {name: np.array(column) for name, column in kept.pop("columns").items()}
    return Scores(tables={TABLE: ItemTable(tuple(LETTERS), tuple(LETTERS), columns)}, **kept)
