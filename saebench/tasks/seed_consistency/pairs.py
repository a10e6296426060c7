"""Two seeds held against each other: everything but the causal check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.matching import (
    Assignment,
    Mcc,
    UnitRows,
    correlate,
    mcc_of,
    mutual_nearest,
    nearest,
    paired_correlations,
    shared_features,
)
from saebench.matching.cosines import Array
from saebench.tasks.seed_consistency.bands import band_of, by_band, by_rate
from saebench.tasks.seed_consistency.members import Member

THRESHOLDS = [round(0.05 * step, 2) for step in range(21)]
"""Of the curve of shared latents."""
HISTOGRAM = [round(-1 + 0.05 * step, 2) for step in range(41)]
"""Edges for matched cosines."""


@dataclass
class PairScore:
    """Two members, by sums that metrics are made of."""

    columns: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Sums that are added up over pairs."""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Alive:
    """Matched latents that fire in both dictionaries, as latents of them."""

    first: Array
    second: Array
    cosines: Array


def score_codes(a: Member, b: Member, signed: bool, score: PairScore) -> None:
    """Matching by correlation of codes, and how many latents are dead."""
    found = correlate(a.codes, b.codes, signed=signed)
    varying = [int(side.sum()) for side in found.varies]
    _, _, values = found.one_to_one()
    score.columns |= {
        "latents": float(a.d_dict + b.d_dict),
        "dead": float(a.d_dict + b.d_dict - len(a.alive) - len(b.alive)),
        "correlated": float(min(varying)),
        "correlation": float(values.sum()),
        "varying": float(sum(varying)),
        "best_correlation": float(sum(side.sum() for side in found.best())),
    }
    score.details |= {"varying_latents": varying, "positively_correlated_pairs": len(values)}


def score_atoms(a: Member, b: Member, signed: bool, threshold: float, score: PairScore) -> Alive:
    """Matching by atoms: all latents, and those that fire.

    Args:
        a: one member.
        b: the other.
        signed: whether a pair of flipped atoms is a mismatch: the convention for everything but the two forms of MCC.
        threshold: from which cosine two latents are the same.
        score: takes the sums.
    """
    decoders = a.unit_atoms(), b.unit_atoms()
    whole = {kind: mcc_of(*decoders, signed=kind) for kind in (True, False)}
    living = decoders[0].select(a.alive), decoders[1].select(b.alive)
    fired = {kind: mcc_of(*living, signed=kind) for kind in (True, False)} if len(a.alive) and len(b.alive) else {}
    own = whole[signed]
    if a.encoder is not None and b.encoder is not None:
        score_encoders(a, b, decoders, own.assignment, threshold, signed, score)
    mutual = mutual_nearest(*decoders, signed=signed)
    score.columns |= {
        "matched": float(len(own.cosines)),
        "cosine": float(whole[True].cosines.sum()),
        "cosine_abs": float(whole[False].cosines.sum()),
        "cosine_own": float(own.cosines.sum()),
        "null": whole[True].null.mean * len(own.cosines),
        "null_abs": whole[False].null.mean * len(own.cosines),
        "null_own": own.null.mean * len(own.cosines),
        "zero_rows": float(sum(own.zero_rows)),
        "mutual": float((mutual.cosines >= threshold).sum()),
        "matched_alive": 0.0,
        "cosine_alive": 0.0,
        "cosine_abs_alive": 0.0,
        "cosine_own_alive": 0.0,
        "null_own_alive": 0.0,
    }
    score.details |= {
        "pw_mcc": describe(whole[True]),
        "pw_mcc_abs": describe(whole[False]),
        "zero_rows": list(own.zero_rows),
        "pairs_at_threshold": int((own.cosines >= threshold).sum()),
        "mutual_nearest_at_threshold": int((mutual.cosines >= threshold).sum()),
        "mean_nearest_cosine": mean_nearest(*decoders, signed),
        "alive_latents": [len(a.alive), len(b.alive)],
        "pw_mcc_alive": describe(fired[True]) if fired else None,
        "pw_mcc_abs_alive": describe(fired[False]) if fired else None,
    }
    score.curves["matched_cosines"] = np.histogram(own.cosines, bins=HISTOGRAM)[0].astype(float).tolist()
    alive = Alive(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    if fired:
        pairs = fired[signed].assignment
        alive = Alive(a.alive[pairs.rows], b.alive[pairs.columns], pairs.cosines)
        score.columns |= {
            "matched_alive": float(len(alive.cosines)),
            "cosine_alive": float(fired[True].cosines.sum()),
            "cosine_abs_alive": float(fired[False].cosines.sum()),
            "cosine_own_alive": float(alive.cosines.sum()),
            "null_own_alive": fired[signed].null.mean * len(alive.cosines),
        }
    score_rates(a, b, alive, threshold, score)
    score_agreement_of_codes(a, b, alive, signed, score)
    return alive


def score_rates(a: Member, b: Member, alive: Alive, threshold: float, score: PairScore) -> None:
    """Matched cosines by firing rate: each of the two latents of a pair counts where its own rate lies."""
    rates = np.concatenate([a.rates[alive.first], b.rates[alive.second]])
    cosines = np.concatenate([alive.cosines, alive.cosines])
    for name, (count, total) in by_band(band_of(rates), cosines).items():
        score.columns |= {f"{name}_latents": count, f"{name}_cosine": total}
    score.curves |= {
        "rate_latents": by_rate(rates, np.ones(len(rates))).tolist(),
        "rate_cosine": by_rate(rates, cosines).tolist(),
        "rate_at_threshold": by_rate(rates, (cosines >= threshold).astype(float)).tolist(),
    }


def score_agreement_of_codes(a: Member, b: Member, alive: Alive, signed: bool, score: PairScore) -> None:
    """Whether latents that are matched by their atoms fire alike; with a flipped atom, flipped codes do."""
    r = paired_correlations(a.codes, b.codes, alive.first, alive.second)
    defined = np.isfinite(r)
    if not signed and a.atoms is not None and b.atoms is not None:
        products = (a.atoms[alive.first] * b.atoms[alive.second]).sum(1)
        r = r * np.sign(np.asarray(products, dtype=np.float64))
    values = r[defined]
    score.columns |= {"fire_pairs": float(defined.sum()), "fire_correlation": float(values.sum())}


def score_encoders(
    a: Member,
    b: Member,
    decoders: tuple[UnitRows, UnitRows],
    matched: Assignment,
    threshold: float,
    signed: bool,
    score: PairScore,
) -> None:
    """Latents whose partner is the same by decoder and by encoder."""
    encoders = a.unit_encoder(), b.unit_encoder()
    shared = shared_features(decoders, encoders, signed=signed, decoder=matched)
    score.columns |= {"shared": float(shared.count(threshold)), "agree": float(shared.agree.sum())}
    score.curves["shared"] = [float(shared.count(each)) for each in THRESHOLDS]
    score.details |= {
        "shared_latents": shared.count(threshold),
        "assignments_agree": int(shared.agree.sum()),
        "encoder_solver": shared.encoder.solver,
        "encoder_error_bound": shared.encoder.error_bound,
    }


def describe(made: Mcc) -> dict[str, Any]:
    """A matching for the details."""
    return {
        "value": made.value,
        "pairs": len(made.cosines),
        "solver": made.solver,
        "error_bound": made.assignment.error_bound,
        "null": made.null.mean,
        "null_sd": made.null.sd,
        "null_made_by": made.null.how,
        "calibrated": made.calibrated if made.null.mean < 1 else None,
    }


def mean_nearest(a: UnitRows, b: UnitRows, signed: bool) -> list[float]:
    """Mean cosine of each latent with the nearest of the other dictionary, from either side."""
    return [float(nearest(one, other, signed=signed)[0].mean()) for one, other in ((a, b), (b, a))]


def added(scores: Sequence[PairScore], curve: str) -> Array:
    """A curve summed over pairs."""
    total: Array = np.sum([score.curves[curve] for score in scores], axis=0)
    return total
