"""The card of `unlearning@1`.

d = (1 - right) / (1 - chance) of a question that the model as it is answers right: 0 where the answer stays, 1 on
average where answers are as good as drawn. Forgotten is the mean d of the topic's test questions, lost that of the
retained ones. For each budget b in .01, .02, ..., .20 the configuration is the one that forgets most on validation
questions among those that lose at most b of the retained validation questions; doing nothing is always one of them.
"""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric

QUESTIONS = "questions"
DOCUMENTS = "documents"


def _metric(
    name: str,
    definition: str,
    numerator: dict[str, float],
    denominator: str = "1",
    *,
    direction: Direction = "none",
    null: float | None = 0.0,
    table: str = QUESTIONS,
    unit: str = "",
) -> Metric:
    return Metric(name, definition, numerator, {denominator: 1}, table, direction=direction, null=null, unit=unit)


METRICS = (
    _metric(
        "area",
        "Mean over budgets of (forgotten - lost) on test questions, each budget with its configuration: 1 where the "
        "topic falls to chance and nothing else changes, 0 for an edit that does nothing or harms everything alike.",
        {"area": 1},
        direction="up",
    ),
    _metric(
        "area_random",
        "The same where each latent is replaced by a random one that fires about as often on the topic's texts (for a "
        "concept method: its direction by a random one).",
        {"random_area": 1},
    ),
    _metric("area_above_random", "area - area_random.", {"area": 1, "random_area": -1}, direction="up"),
    _metric(
        "area_weights",
        "The same for gradient ascent on the weights above the site, whose states after several numbers of steps are "
        "the configurations; the same for all subjects.",
        {"weights_area": 1},
    ),
    _metric("area_above_weights", "area - area_weights.", {"area": 1, "weights_area": -1}, direction="up"),
    _metric("forgotten_at_5", "Forgotten at the budget .05.", {"forgotten": 1}, "forget", direction="up"),
    _metric("lost_at_5", "Lost at the budget .05.", {"lost": 1}, "retain", direction="down"),
    _metric("forgotten_at_20", "Forgotten at the budget .20.", {"forgotten_20": 1}, "forget", direction="up"),
    _metric("lost_at_20", "Lost at the budget .20.", {"lost_20": 1}, "retain", direction="down"),
    _metric(
        "prose_loss_change",
        "Change of the mean next-token loss of held-out prose under the configuration of the budget .05.",
        {"loss": 1, "loss_clean": -1},
        "tokens",
        direction="down",
        table=DOCUMENTS,
        unit="nats",
    ),
)

CARD = Card(
    id="unlearning",
    version=1,
    question="Can a topic be taken out at the site without taking other knowledge with it?",
    source="Farrell et al. 2024 (arXiv 2410.19278) and Karvonen et al. 2025 (sae-bench unlearning), with "
    "configurations chosen on other questions than those reported, scores corrected for chance, random latents of "
    "equal frequency, difference of means and gradient ascent beside.",
    metrics=METRICS,
    headline=("area", "area_above_random", "area_weights", "forgotten_at_5", "lost_at_5", "prose_loss_change"),
    paired_by={QUESTIONS: "test question", DOCUMENTS: "document"},
    control_order=(
        "gradient ascent on the weights is above every edit at the site",
        "a trained dictionary is above random",
        "permuted shares its dictionary's codes, so that what it harms is chosen as well: no place is expected",
        "identity and mean have no latents of a topic: exactly 0",
    ),
    expected=(
        Above("area", "trained", "random"),
        Above("area", "trained", "identity"),
    ),
    cost_note="One pass of the model over the questions and one up to the site over the corpora, and a short training "
    "of a copy, shared; for each subject one encoding of the corpora, and validation questions once a configuration.",
)
