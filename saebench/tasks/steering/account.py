"""From the curves of one subject to its item tables and details."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.answers.examination import Examination
from saebench.tasks.contract import ItemTable, Scores
from saebench.tasks.steering.card import CARD, COUNTED, JUDGE_WEIGHTS, LEVELS, PROMPTS, QUESTIONS, ROWS
from saebench.tasks.steering.curve import COLUMNS, SCORED, Curve
from saebench.tasks.steering.params import SteeringParams
from saebench.tasks.steering.side_effects import side_table
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
        right: of each question about side effects, 1 where it is answered right; None where none is asked.
        seconds: fit, generation and scores.
    """

    curve: Curve
    texts: Array
    unit: float
    notes: Mapping[str, Any]
    right: Array | None
    seconds: float

    def arrays(self) -> dict[str, Array]:
        """What `of` reads back."""
        facts = {"unit": self.unit, "notes": dict(self.notes), "seconds": self.seconds}
        side = {} if self.right is None else {"right": self.right}
        return {"texts": self.texts, "facts": np.array(json.dumps(facts)), **side, **self.curve.values}

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Outcome:
        """The outcome whose `arrays` these are."""
        facts = json.loads(str(arrays["facts"]))
        curve = Curve({name: arrays[name] for name in COLUMNS})
        return cls(curve, arrays["texts"], facts["unit"], facts["notes"], arrays.get("right"), facts["seconds"])


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a judge said of one subject's texts: columns over all rows, and why questions have no answer, counted."""

    judge: str
    columns: Mapping[str, Array]
    failures: Mapping[str, int]


def finish(
    outcomes: Mapping[str, Outcome | None],
    trials: Sequence[Trial],
    params: SteeringParams,
    exam: Examination | None = None,
    judgement: Judgement | None = None,
) -> Scores:
    """Item tables and details of one subject.

    Args:
        outcomes: by concept; None where it is excluded.
        trials: every concept.
        params: the settings.
        exam: the questions about side effects, where they were asked.
        judgement: of the reported texts, where a judge was asked.
    """
    made = [outcomes[trial.concept.name] for trial in trials]
    parts = [rows_of(trial, outcome) for trial, outcome in zip(trials, made, strict=True)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns |= judgement.columns if judgement else {}
    items = tuple(f"{trial.concept.name}/{trial.own[place]}" for trial in trials for place in trial.reported)
    families = tuple(trial.concept.family for trial in trials for _ in trial.reported)
    tables = {ROWS: ItemTable(items, families, columns), PROMPTS: ItemTable(items, items, columns)}
    if exam:
        names = [trial.concept.name for trial in trials]
        tables[QUESTIONS] = side_table(exam, names, [one.right if one else None for one in made])
    seconds = [one.seconds for one in made if one]
    return Scores(
        tables=tables,
        details={
            "concepts": {trial.concept.name: told(trial, one, params) for trial, one in zip(trials, made, strict=True)},
            "judge": {"judge": judgement.judge, "failures": dict(judgement.failures)} if judgement else None,
        },
        cost={"seconds_per_concept": float(np.mean(seconds))} if seconds else {},
        undefined=undefined(tables, trials),
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


def undefined(tables: Mapping[str, ItemTable], trials: Sequence[Trial]) -> dict[str, str]:
    """Metrics that cannot be had, with the reason."""
    if not tables[ROWS].columns[COUNTED].any():
        return no_metric("; ".join(f"{trial.concept.name}: {trial.excluded}" for trial in trials))
    reasons = {f"reached_{level}": f"no concept gets to {level} nats a token at any factor" for level in LEVELS}
    reasons |= {"kl_counted": "no text has a token", "asked": "no questions are named: side_effect"}
    judged = "judge_answered" in tables[ROWS].columns
    reasons |= dict.fromkeys(JUDGE_WEIGHTS, "the judge has no answer" if judged else "no judge is named: judge")
    found = {}
    for metric in CARD.metrics:
        (weight,) = metric.denominator
        columns = tables[metric.table].columns if metric.table in tables else {}
        if weight not in columns or not columns[weight].any():
            found[metric.name] = reasons[weight]
    return found


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
