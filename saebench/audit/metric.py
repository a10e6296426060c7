"""The audit of one metric: noise over seeds, what it tells apart, order of controls, and the verdict on all that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from saebench.audit.scores import TRAINED, Audited, matrix
from saebench.results.audits import Measured, MetricAudit, OrderCheck, Verdict
from saebench.stats.quantity import Quantity
from saebench.stats.reliability import (
    SINGLE_SEED,
    coefficient_of_variation,
    longer_is_better,
    paired_sd,
    reseed_sd,
    scaled,
    separated,
    signal_to_noise,
)
from saebench.tasks.contract import Card, Metric

NO_SUBJECT = "no trained subject has this metric under every seed"


def audit_metric(
    card: Card, metric: Metric, subjects: Sequence[Audited], validity: Mapping[str, Quantity]
) -> MetricAudit:
    """All lenses on one metric.

    Args:
        card: of its task.
        metric: one that has a direction.
        subjects: scored under every seed.
        validity: correlation with ground truth, under "f1" and "mcc".
    """
    sign = -1 if metric.direction == "down" else 1
    scores, kept = matrix(subjects, metric.name, sign)
    rows = [row for row, one in enumerate(kept) if one.role == TRAINED]
    trained, members = scores[rows] if rows else scores, [kept[row] for row in rows]
    lacking = Quantity(None, undefined=NO_SUBJECT)
    noise = reseed_sd(trained) if rows else lacking
    paired = paired_sd(trained) if rows else lacking
    means = trained.mean(1).tolist() if rows else []
    found = {
        "reseed_sd": noise,
        "cv": coefficient_of_variation(trained) if rows else lacking,
        "smallest_reliable": scaled(noise, SINGLE_SEED),
        "smallest_reliable_paired": scaled(paired, 1.96),
        "snr": signal_to_noise(trained) if rows else lacking,
        "separated": separated(trained) if rows else lacking,
        "trend": longer_is_better(means, [one.tokens for one in members], [one.family for one in members]),
        "validity_f1": validity["f1"],
        "validity_mcc": validity["mcc"],
    }
    order = tuple(
        check_order(scores, kept, one.better, one.worse, sign) for one in card.expected if one.metric == metric.name
    )
    verdict, reasons = judge(card, found, order)
    measured = {name: Measured.of(quantity) for name, quantity in found.items()}
    return MetricAudit(metric=metric.name, **measured, order=order, verdict=verdict, reasons=reasons)


def check_order(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    kept: Sequence[Audited],
    better: str,
    worse: str,
    sign: int,
) -> OrderCheck:
    """Whether every subject of one role beats every one of another, by means over seeds."""
    means = {
        role: [float(scores[row].mean()) for row, one in enumerate(kept) if one.role == role]
        for role in (better, worse)
    }
    both = means[better] and means[worse]
    return OrderCheck(
        better=better,
        worse=worse,
        held=min(means[better]) > max(means[worse]) if both else None,
        better_mean=sign * float(np.mean(means[better])) if means[better] else None,
        worse_mean=sign * float(np.mean(means[worse])) if means[worse] else None,
    )


def judge(card: Card, found: Mapping[str, Quantity], order: Sequence[OrderCheck]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and what speaks against "sound".

    not measured: no trained subject has a value under every seed.
    unfit: the card says so; or agreement with ground truth lies below zero with its whole interval; or a control stands
    out of order, seeds move the metric as much as subjects do, and no agreement with ground truth speaks for it.
    weak: a control stands out of order, signal to noise is below 1, fewer than half of the pairs of trained subjects
    are told apart, longer training does not raise it in most pairs, or agreement with ground truth may be zero.
    """
    if found["reseed_sd"].value is None:
        return "not measured", (found["reseed_sd"].undefined or "",)
    truth, noisy = found["validity_f1"], _below(found["snr"].value, 1.0)
    agrees = truth.low is not None and truth.low > 0
    ends = f"{truth.value:.2f} [{truth.low:.2f}, {truth.high:.2f}]" if _whole(truth) else ""
    said = f"rank correlation with ground-truth F1 {ends}" if ends else ""
    violated = [f"{one.better} does not stand above {one.worse}" for one in order if one.held is False]
    unfit = [card.unfit] if card.unfit else []
    unfit += [said] if _below(truth.high, 0.0) else []
    unfit += violated if violated and noisy and not agrees else []
    weak = [reason for reason in violated if reason not in unfit]
    weak += [f"signal to noise {found['snr'].value:.2f}"] if noisy else []
    if _below(found["separated"].value, 0.5):
        weak.append(f"tells {found['separated'].value:.0%} of the pairs of trained subjects apart")
    if _below(found["trend"].value, 0.5):
        weak.append(f"improves with training in {found['trend'].value:.0%} of the pairs")
    weak += [said] if said and not agrees and said not in unfit else []
    return ("unfit" if unfit else "weak" if weak else "sound"), (*unfit, *weak)


def _whole(quantity: Quantity) -> bool:
    return None not in (quantity.value, quantity.low, quantity.high)


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit
