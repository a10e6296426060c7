"""`seed_consistency@1`, from top to bottom: data, protocol, item scores.

Data: the suite's evaluation part, with the activations of the site. Protocol: each member of the set encodes the same
tokens; every two members are matched by their atoms, by their encoder rows and by their codes, and a few matched
latents are taken out of the model. Item scores: one row a pair of seeds, by sums; intervals leave out one seed at a
time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import torch
from pydantic import Field

from saebench.errors import DataError
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.seed_consistency.bands import BANDS, EDGES
from saebench.tasks.seed_consistency.card import CARD, NEEDS_ENCODERS, NEEDS_FINGERPRINTS, NEEDS_NO_ATOMS, PAIRS
from saebench.tasks.seed_consistency.fingerprints import Stage, score_fingerprints
from saebench.tasks.seed_consistency.members import Member, members_of, without
from saebench.tasks.seed_consistency.pairs import HISTOGRAM, THRESHOLDS, PairScore, added, score_atoms, score_codes

WIDTHS = "min(n, m) pairs are matched; the surplus latents of the larger member count in no mean"


EMPTY = {
    "matched_alive": "no two members have a latent that fires on the evaluated tokens",
    "correlated": "no two members have a latent whose code varies over the evaluated tokens",
    "varying": "no latent's code varies over the evaluated tokens",
    "fire_pairs": "no matched latents vary over the evaluated tokens",
    "fingerprints": "no matched latents fire on the evaluated tokens",
    "controls": "no other latent of the partners' bands fires where they do",
} | {f"{name}_latents": f"no matched latent is {name}" for name in BANDS}
"""Why a metric has no value, by the column that counts what it is a mean of."""


class SeedConsistencyParams(Params):
    """What a suite may set."""

    threshold: float = Field(default=0.7, ge=0, le=1)
    """Cosine from which two latents are the same."""
    fingerprints_per_band: int = Field(default=2, ge=0)
    """Matched pairs of latents of each frequency band whose fingerprints are taken, for each pair of seeds."""
    fingerprint_rows: int = Field(default=2, ge=1)
    """Rows on which each of them is looked at."""


class SeedConsistency(Task):
    """Scores a set of dictionaries by whether they hold the same latents. Metrics: `card.METRICS`."""

    card = CARD
    takes = ("set",)
    parameters = SeedConsistencyParams

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return (Request(subject.site),)

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """One set after the other; within a set, one pair of seeds after the other.

        Raises:
            DataError: the evaluation rows hold no unmasked token.
        """
        site = subjects[0].site
        data = bench.activations(Request(site))
        if data.n_tokens == 0:
            raise DataError("no unmasked token to evaluate", field=data.rows.name)
        entry_site = bench.lm.entry_site(site)
        entries = bench.activations(Request(entry_site)) if entry_site else None
        stage = Stage.of(bench.lm, site, data, entries)
        kept = bench.journal.load()
        held = dict(kept[1]) if kept else {}
        pairs = sum(len(subject.members) * (len(subject.members) - 1) // 2 for subject in subjects)
        scores = {}
        with bench.progress.bar(f"{self.card.name} {site}", pairs, "pair") as bar:
            for subject in bench.alive(subjects):
                with bench.guard(subject):
                    began = time.perf_counter()
                    for member in subject.members:
                        member.dictionary()  # Made here: what is made in inference mode can take no gradient later.
                    with torch.inference_mode():
                        members = members_of(subject, data, bench)
                        made = []
                        for a, b in combinations(members, 2):
                            key = f"{subject.fingerprint}/{a.label}/{b.label}"
                            if key not in held:
                                score = score_pair(a, b, is_signed(members), stage, bench)
                                held[key] = np.array(json.dumps(asdict(score)))
                                bench.journal.save(len(held), held)
                            made.append(PairScore(**json.loads(str(held[key]))))
                            bar.advance()
                    scores[subject.fingerprint] = finish(members, made, bench.params, time.perf_counter() - began)
        return scores


def is_signed(members: Sequence[Member]) -> bool:
    """Whether a flipped atom is another atom: so it is where no member's codes may be negative."""
    return not any(member.signed for member in members)


def score_pair(a: Member, b: Member, signed: bool, stage: Stage, bench: Bench) -> PairScore:
    """Two members."""
    params = bench.params
    assert isinstance(params, SeedConsistencyParams)
    score = PairScore(details={"members": [a.label, b.label], "names": [a.name, b.name]})
    score_codes(a, b, signed, score)
    if a.atoms is not None and b.atoms is not None:
        alive = score_atoms(a, b, signed, params.threshold, score)
        score_fingerprints(
            a, b, alive, params.fingerprints_per_band, params.fingerprint_rows, bench.eval_seed, stage, score
        )
    return score


def finish(members: Sequence[Member], made: Sequence[PairScore], params: Params, seconds: float) -> Scores:
    """The item table of a set, with what explains it."""
    assert isinstance(params, SeedConsistencyParams)
    names = list(dict.fromkeys(name for score in made for name in score.columns))
    columns = {name: np.array([score.columns.get(name, 0.0) for score in made]) for name in names}
    first, second = zip(*(score.details["members"] for score in made), strict=True)
    table = ItemTable(tuple(f"{a} ~ {b}" for a, b in zip(first, second, strict=True)), first, columns, second)
    return Scores(
        tables={PAIRS: table},
        details={
            "convention": "signed cosine" if is_signed(members) else "absolute cosine: codes are signed",
            "members": [member.describe() for member in members],
            "widths": sorted({member.d_dict for member in members}),
            "rule_for_widths": WIDTHS,
            "copies": len(members) - len({member.fingerprint for member in members}),
            "threshold": params.threshold,
            "bands": {name: low for name, (low, _) in BANDS.items()},
            "spread_over_pairs": spread(made),
            "curves": curves(made),
            "fingerprints_by_band": fingerprints_by_band(made),
            "pairs": [score.details for score in made],
        },
        cost={"seconds": seconds},
        undefined=undefined(members, columns, params),
    )


def spread(made: Sequence[PairScore]) -> float | None:
    """Standard deviation (ddof 0) of pw_mcc over pairs of seeds, as published: no error, as pairs share seeds."""
    values = [score.details["pw_mcc"]["value"] for score in made if "pw_mcc" in score.details]
    return float(np.std(values)) if len(values) == len(made) else None


def curves(made: Sequence[PairScore]) -> dict[str, Any]:
    """Curves over all pairs of seeds."""
    drawn: dict[str, Any] = {}
    if all("matched_cosines" in score.curves for score in made):
        latents, cosine, near = (added(made, f"rate_{name}") for name in ("latents", "cosine", "at_threshold"))
        drawn["matched_cosines"] = {"edges": HISTOGRAM, "latents": added(made, "matched_cosines").tolist()}
        drawn["by_firing_rate"] = {
            "log10_rate": EDGES.tolist(),
            "latents": latents.tolist(),
            "mean_cosine": means(cosine, latents),
            "share_at_threshold": means(near, latents),
        }
    if all("shared" in score.curves for score in made):
        matched = sum(score.columns["matched"] for score in made)
        drawn["shared_fraction"] = {"thresholds": THRESHOLDS, "fraction": (added(made, "shared") / matched).tolist()}
    return drawn


def fingerprints_by_band(made: Sequence[PairScore]) -> dict[str, Any]:
    """How many fingerprints were taken in each band, with their mean correlation and that of their controls."""
    told = [one for score in made for one in score.details.get("fingerprints", ())]
    drawn: dict[str, Any] = {}
    for name in BANDS:
        own = [one for one in told if one["band"] == name]
        controls = [one["control_fingerprint"] for one in own if one["control_fingerprint"] is not None]
        drawn[name] = {
            "pairs": len(own),
            "fingerprint": float(np.mean([one["fingerprint"] for one in own])) if own else None,
            "control": float(np.mean(controls)) if controls else None,
        }
    return drawn


def means(sums: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> list[float | None]:
    """Sums over counts, None where nothing is counted."""
    return [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]


def undefined(
    members: Sequence[Member], columns: dict[str, np.ndarray[Any, Any]], params: SeedConsistencyParams
) -> dict[str, str]:
    """Metrics that the set cannot have, with the reason."""
    reasons: dict[str, str] = {}
    if names := without(members, "atoms"):
        lacking = [metric.name for metric in CARD.metrics if metric.name not in NEEDS_NO_ATOMS]
        reasons |= dict.fromkeys(lacking, f"no linear decoder, and so no atoms to match: {names}")
    elif names := without(members, "encoder"):
        reasons |= dict.fromkeys(NEEDS_ENCODERS, f"no linear encoder to match by: {names}")
    if params.fingerprints_per_band == 0:
        reasons = dict.fromkeys(NEEDS_FINGERPRINTS, "not asked for: fingerprints_per_band is 0") | reasons
    for metric in CARD.metrics:
        counted = next(iter(metric.denominator))
        if metric.name not in reasons and counted in EMPTY and not columns[counted].any():
            reasons[metric.name] = EMPTY[counted]
    return reasons
