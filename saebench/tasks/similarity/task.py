"""`similarity@1`: how alike two dictionaries are.

Data: the tokens of the evaluation part that `reading.choose` draws, the same for all pairs; each member reads the
activations of its own site. Protocol and metrics: by what they say (CKA of codes and of reconstructions), by the atoms
of latents that say the same (SVCCA, RSA), by atoms alone (maximal cosines, the split into novel and reconstruction
latents with its insertion test, SAE Match), and by where their atoms come from (Jaccard of labels). A measure that
needs what a member does not have is undefined, with the reason; the others stand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import Field

from saebench.activations.sets import ActivationSet
from saebench.errors import DataError
from saebench.tasks.contract import Bench, Params, Request, Scores, Subject, Task
from saebench.tasks.similarity.atoms import compare_atoms, compare_labels, insert_latents, match_weights
from saebench.tasks.similarity.card import CARD
from saebench.tasks.similarity.geometry import align, compare_geometry
from saebench.tasks.similarity.outcome import Outcome, from_arrays, to_arrays
from saebench.tasks.similarity.pair import Pair
from saebench.tasks.similarity.reading import Tokens, choose, read
from saebench.tasks.similarity.speech import compare_speech


class SimilarityParams(Params):
    """What a suite may set."""

    tokens: int = Field(default=16_384, ge=16)
    """Tokens on which codes are compared, at most."""
    cka_tokens: int = Field(default=4_096, ge=16)
    """Of these, tokens that CKA compares: its cost grows with their square."""
    pairs: int = Field(default=2_048, ge=16)
    """Pairs of latents that SVCCA and RSA compare, at most; drawn at random where more are paired."""
    least_correlation: float = Field(default=0.1, ge=0, le=1)
    """Latents whose codes correlate less are not paired."""
    permutations: int = Field(default=100, ge=1)
    """Random pairings of the null."""


class Similarity(Task):
    """Compares the two members of a pair. Metrics: `card.METRICS`."""

    card = CARD
    takes = ("pair",)
    parameters = SimilarityParams

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return tuple(Request(site) for site in dict.fromkeys(member.site for member in subject.members))

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Measure pair by pair; a pair that is done is kept in the journal."""
        params = bench.params
        if not isinstance(params, SimilarityParams):
            raise TypeError(f"similarity@1 takes SimilarityParams, not {type(params).__name__}")
        kept = bench.journal.load()
        arrays = kept[1] if kept else {}
        scores: dict[str, Scores] = {}
        with bench.progress.bar(self.card.name, len(subjects), "pair") as bar:
            for subject in subjects:
                done = from_arrays(subject.fingerprint, arrays)
                if done is None:
                    with bench.guard(subject):
                        done = measure(subject, params, bench)
                if done is not None:
                    scores[subject.fingerprint] = done
                    arrays |= to_arrays(subject.fingerprint, done)
                    bench.journal.save(len(scores), arrays)
                bar.advance()
        return scores


def measure(subject: Subject, params: SimilarityParams, bench: Bench) -> Scores:
    """All measures of one pair.

    Raises:
        DataError: the members' sites were not read on the same tokens.
        SubjectFailed: a member cannot be read.
    """
    began = time.perf_counter()
    first, second = subject.members
    sides = (first.dictionary(), second.dictionary())
    data = tuple(bench.activations(Request(member.site)) for member in (first, second))
    tokens = tokens_of(data[0], data[1], params, bench.eval_seed)
    pair = Pair.of(sides, (first.site, second.site))
    reading = read(sides, (data[0], data[1]), tokens, bench, pair.larger if pair.can_insert else None)
    read_seconds = time.perf_counter() - began

    outcome = Outcome()
    outcome.details |= pair.describe() | {
        "tokens": len(tokens.positions),
        "cka_tokens": int(tokens.compared.sum()),
        "dead_latents": [int((codes.sum(axis=0) == 0).sum()) for codes in map(abs, reading.codes)],
    }
    compare_speech(reading, tokens, bench.eval_seed, outcome)
    aligned = align(reading, pair, params.least_correlation, params.pairs, bench.eval_seed)
    compare_geometry(aligned, pair, params.permutations, bench.eval_seed, outcome)
    largest = compare_atoms(pair, reading, outcome)
    insert_latents(pair, reading, largest, bench.eval_seed, outcome)
    match_weights(pair, reading, outcome)
    compare_labels(pair, outcome)
    return Scores(
        outcome.tables,
        outcome.details,
        {"seconds": time.perf_counter() - began, "read_seconds": read_seconds},
        outcome.undefined,
    )


def tokens_of(first: ActivationSet, second: ActivationSet, params: SimilarityParams, eval_seed: int) -> Tokens:
    """The tokens that are read, the same at both sites.

    Raises:
        DataError: the sites were read on different rows.
    """
    if first.rows.fingerprint != second.rows.fingerprint:
        raise DataError("the two sites of the pair were read on different rows", field=second.rows.name)
    return choose(first, params.tokens, params.cka_tokens, eval_seed)
