"""The card of `capability@1`.

An item is a question. Its right answer is the choice of the largest log-likelihood (lm-eval's `acc`); its log-odds are
log p(right choice) - log sum of p(wrong choices). Every question set has the same weight, and every question in it too.
"""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric

QUESTIONS = "questions"


def _metric(
    name: str,
    definition: str,
    numerator: dict[str, float],
    denominator: dict[str, float] | None = None,
    *,
    direction: Direction = "none",
    low: float | None = None,
    high: float | None = None,
    null: float | None = None,
    unit: str = "",
) -> Metric:
    return Metric(
        name,
        definition,
        numerator,
        denominator or {"weight": 1},
        QUESTIONS,
        direction=direction,
        low=low,
        high=high,
        null=null,
        unit=unit,
    )


METRICS = (
    _metric(
        "capability_kept",
        "(accuracy - chance) / (accuracy_clean - chance); chance is the mean of 1 / number of choices.",
        {"correct": 1, "chance": -1},
        {"clean": 1, "chance": -1},
        direction="up",
        null=0.0,
    ),
    _metric(
        "accuracy_change",
        "accuracy - accuracy_clean, paired by question.",
        {"correct": 1, "clean": -1},
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _metric(
        "log_odds_change",
        "Mean change of the log-odds of the right choice against all wrong ones together.",
        {"log_odds": 1, "log_odds_clean": -1},
        direction="up",
        unit="nats",
    ),
    _metric(
        "accuracy",
        "Share of questions answered right by the model with the reconstruction at the site.",
        {"correct": 1},
        direction="up",
        low=0.0,
        high=1.0,
    ),
    _metric("accuracy_clean", "The same for the model as it is.", {"clean": 1}, low=0.0, high=1.0),
    _metric(
        "answers_changed",
        "Share of questions to which the model gives another answer, right or wrong.",
        {"changed": 1},
        direction="down",
        low=0.0,
        high=1.0,
    ),
)

CARD = Card(
    id="capability",
    version=1,
    question="How much of what a model can do is lost when the site is replaced by the reconstruction?",
    source="The capability tax of a dictionary: multiple-choice tasks of lm-eval (Gao et al.) run through the spliced "
    "model, as Templeton et al. 2024 and Gao et al. 2024 (section 4.1, compute-equivalent loss) ask it of the loss.",
    metrics=METRICS,
    headline=("capability_kept", "accuracy_change", "log_odds_change", "accuracy", "accuracy_clean"),
    paired_by={QUESTIONS: "question"},
    control_order=("identity (exactly nothing lost)", "trained", "random", "mean"),
    expected=(
        Above("capability_kept", "identity", "trained"),
        Above("capability_kept", "trained", "random"),
        Above("capability_kept", "trained", "mean"),
        Above("log_odds_change", "identity", "trained"),
        Above("log_odds_change", "trained", "random"),
        Above("log_odds_change", "trained", "mean"),
    ),
    cost_note="One pass of the layers up to the site and one above it over the questions for the group; one encoding, "
    "one decoding and one pass above the site for each dictionary. Choices of a question share their context.",
)
