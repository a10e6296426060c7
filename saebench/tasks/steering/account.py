"""From the curves of one subject to its item tables and details."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.tasks.contract import ItemTable, Scores
from saebench.tasks.steering.card import CARD, COUNTED, LEVELS, PROMPTS, ROWS
from saebench.tasks.steering.curve import COLUMNS, SCORED, Curve
from saebench.tasks.steering.params import SteeringParams
from saebench.tasks.steering.trial import Trial

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One subject on one concept.

    Attributes:
        curve: its values at every factor.
        texts: what was said, text `[factors, P]`.
        unit: what a factor multiplies, in units of the activation.
        notes: about the fit.
        seconds: fit, generation and scores.
    """

    curve: Curve
    texts: Array
    unit: float
    notes: Mapping[str, Any]
    seconds: float

    def arrays(self) -> dict[str, Array]:
        """What `of` reads back."""
        facts = {"unit": self.unit, "notes": dict(self.notes), "seconds": self.seconds}
        return {"texts": self.texts, "facts": np.array(json.dumps(facts)), **self.curve.values}

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Outcome:
        """The outcome whose `arrays` these are."""
        facts = json.loads(str(arrays["facts"]))
        curve = Curve({name: arrays[name] for name in COLUMNS})
        return cls(curve, arrays["texts"], facts["unit"], facts["notes"], facts["seconds"])


def finish(outcomes: Mapping[str, Outcome | None], trials: Sequence[Trial], params: SteeringParams) -> Scores:
    """Item tables and details of one subject.

    Args:
        outcomes: by concept; None where it is excluded.
        trials: every concept.
        params: the settings.
    """
    seconds = [one.seconds for one in outcomes.values() if one is not None]
    parts = [rows_of(trial, outcomes[trial.concept.name]) for trial in trials]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    items = tuple(f"{trial.concept.name}/{trial.own[place]}" for trial in trials for place in trial.reported)
    families = tuple(trial.concept.family for trial in trials for _ in trial.reported)
    return Scores(
        tables={ROWS: ItemTable(items, families, columns), PROMPTS: ItemTable(items, items, columns)},
        details={
            "concepts": {trial.concept.name: told(trial, outcomes[trial.concept.name], params) for trial in trials}
        },
        cost={"seconds_per_concept": float(np.mean(seconds))} if seconds else {},
        undefined=undefined(columns, trials),
    )


def rows_of(trial: Trial, outcome: Outcome | None) -> dict[str, Array]:
    """Columns over the reported instructions of a concept; all 0 where it is excluded."""
    places = trial.reported
    ones = np.ones(len(places)) if outcome is not None else np.zeros(len(places))
    columns = {COUNTED: ones, "detector_auroc": ones * trial.auroc}
    for name in SCORED:
        columns[f"plain_{name}"] = ones * trial.plain[name][list(places)]
        columns[f"prompted_{name}"] = ones * trial.prompted[name][list(places)]
    if outcome is None:
        names = [*COLUMNS, "kl_counted"]
        for level in LEVELS:
            names += [f"reached_{level}", *(f"{name}_kl_{level}" for name in SCORED)]
        return {**columns, **dict.fromkeys(names, ones)}
    curve = outcome.curve
    best = curve.chosen(trial.choosing)
    columns |= {name: curve.at(name, best, places) for name in COLUMNS}
    finite = np.isfinite(columns["kl"])
    columns |= {"kl": np.where(finite, columns["kl"], 0.0), "kl_counted": finite.astype(np.float64)}
    for level, value in LEVELS.items():
        place = curve.crossing(value, trial.choosing)
        columns[f"reached_{level}"] = np.full(len(places), float(place is not None))
        for name in SCORED:
            columns[f"{name}_kl_{level}"] = curve.between(name, place, places) if place else np.zeros(len(places))
    return columns


def undefined(columns: Mapping[str, Array], trials: Sequence[Trial]) -> dict[str, str]:
    """Metrics that cannot be had, with the reason."""
    if not columns[COUNTED].any():
        return no_metric("; ".join(f"{trial.concept.name}: {trial.excluded}" for trial in trials))
    reasons = {f"reached_{level}": f"no concept gets to {level} nats a token at any factor" for level in LEVELS}
    reasons["kl_counted"] = "no text has a token"
    weights = {metric.name: next(iter(metric.denominator)) for metric in CARD.metrics}
    return {name: reasons[weight] for name, weight in weights.items() if not columns[weight].any()}


def no_metric(reason: str) -> dict[str, str]:
    """Every metric, undefined for one reason."""
    return dict.fromkeys((metric.name for metric in CARD.metrics), reason)


def told(trial: Trial, outcome: Outcome | None, params: SteeringParams) -> dict[str, Any]:
    """What the details say about a concept."""
    about = {
        "detector_auroc": trial.auroc,
        "loss_natural": trial.scorer.natural,
        "loss_shuffled": trial.scorer.shuffled,
        "plain_text": trial.plain_texts[trial.reported.start],
        "prompted_text": trial.prompted_texts[trial.reported.start],
    }
    if outcome is None:
        return {**about, "excluded": trial.excluded}
    best = outcome.curve.chosen(trial.choosing)
    kl = outcome.curve.values["kl"][1:, list(trial.choosing)].mean(1)
    return {
        **about,
        "factor": params.factors[best - 1],
        "strength": params.factors[best - 1] * outcome.unit,
        "harmonic_by_factor": outcome.curve.values["harmonic"][1:, list(trial.choosing)].mean(1).tolist(),
        "kl_by_factor": [float(value) if np.isfinite(value) else None for value in kl],
        "texts": outcome.texts[best - 1, list(trial.reported)].tolist(),
        "notes": dict(outcome.notes),
    }
