"""The card of `steering@1`: means over rows. A row is a concept and an instruction of the half that is reported."""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric
from saebench.tasks.steering.curve import SCORED

ROWS, PROMPTS = "rows", "prompts"
"""The same rows, clustered by the source of the concept's texts, and each a cluster of its own."""
QUESTIONS = "questions"
"""A concept and a question of the lm-eval task that side effects are looked for in."""
COUNTED = "counted"
LEVELS = {"0.25": 0.25, "0.5": 0.5, "1": 1.0}
"""KL divergences at which all subjects are compared, in nats a token, by the name that they have in metrics."""
HEADLINE = "steering_harmonic_offline"
TOP = 2.0
SCALE = "from 0 to 2"

WORDS = {
    "concept": f"how surely an independent detector finds the concept in the text, {SCALE} (twice its probability)",
    "instruction": f"how far the text's own instruction stands out among all instructions, {SCALE} (2: as in the plain "
    "model's texts)",
    "fluency": f"2 x share of tokens that are not repeated x predictability of those under the plain model, {SCALE}",
    "harmonic": "the harmonic mean of concept, instruction and fluency score, 0 where one of them is 0",
}

JUDGE_WEIGHTS = ("judge_answered", "judge_plain_answered")
JUDGED = {
    "concept": "whether the concept is in the text",
    "instruction": "whether the text is about the instruction",
    "fluency": "whether the text is fluent",
    "harmonic": "concept, instruction and fluency: the harmonic mean, 0 where one of them is 0",
}


def _mean(
    name: str,
    definition: str,
    column: str,
    *,
    weight: str = COUNTED,
    direction: Direction = "none",
    low: float | None = 0.0,
    high: float | None = TOP,
    unit: str = "",
    table: str = ROWS,
    minus: str = "",
) -> Metric:
    numerator = {column: 1.0, **({minus: -1.0} if minus else {})}
    return Metric(
        name,
        definition,
        numerator,
        {weight: 1.0},
        table,
        direction=direction,
        low=low,
        high=high,
        unit=unit,
    )


def _at_level(name: str) -> tuple[Metric, ...]:
    where = f"where the mean KL divergence from the plain model is {LEVELS[name]:g} nats a token"
    return (
        *(
            _mean(
                f"{score}_kl_{name}",
                f"{WORDS[score].capitalize()}; on the line between the two factors {where} on the choosing half; "
                "concepts where it gets so far.",
                f"{score}_kl_{name}",
                weight=f"reached_{name}",
                direction="up",
            )
            for score in SCORED
        ),
        _mean(
            f"reached_kl_{name}",
            f"Share of rows whose concept gets {where} at some factor.",
            f"reached_{name}",
            high=1.0,
        ),
    )


METRICS = (
    _mean(
        HEADLINE,
        f"Mean of {WORDS['harmonic']}; at the factor of the best mean on the choosing half. No judge: not AxBench's "
        "score.",
        "harmonic",
        direction="up",
    ),
    _mean(
        f"{HEADLINE}_by_prompt",
        f"{HEADLINE}, with rows as clusters: its interval is for other instructions and the same concepts, that of "
        f"{HEADLINE} is for other concepts.",
        "harmonic",
        direction="up",
        table=PROMPTS,
    ),
    *(
        _mean(f"{score}_score", f"At that factor, {WORDS[score]}.", score, direction="up")
        for score in ("concept", "instruction", "fluency")
    ),
    _mean(
        "concept_gain",
        "Concept score at that factor minus that of the plain model's text for the same instruction.",
        "concept",
        minus="plain_concept",
        direction="up",
        low=-TOP,
    ),
    *(metric for name in LEVELS for metric in _at_level(name)),
    _mean(
        "kl",
        "KL divergence of the steered model's next-token distributions from the plain model's on the same text, at "
        "that factor.",
        "kl",
        weight="kl_counted",
        high=None,
        unit="nats/token",
    ),
    _mean("loss", "Loss of the text under the plain model, at that factor.", "loss", high=None, unit="nats/token"),
    _mean(
        "repetition",
        "Share of tokens that end a run of three which the text has had before, at that factor.",
        "repetition",
        direction="down",
        high=1.0,
    ),
    _mean(
        "degenerate",
        "Share of texts at that factor without a token, or with more than half of their tokens repeated.",
        "degenerate",
        direction="down",
        high=1.0,
    ),
    *(
        _mean(
            f"plain_{score}", f"The plain model's text: {WORDS[score]}. The same for every subject.", f"plain_{score}"
        )
        for score in SCORED
    ),
    *(
        _mean(
            f"prompted_{score}",
            f"The plain model asked in words, with three positive training texts: {WORDS[score]}. The same for every "
            "subject.",
            f"prompted_{score}",
        )
        for score in SCORED
    ),
    *(
        _mean(
            f"judge_{score}",
            f"What a judge says of {what}, {SCALE}; at the factor that was chosen without it, of texts with answers to "
            "all questions.",
            f"judge_{score}",
            weight="judge_answered",
            direction="up",
        )
        for score, what in JUDGED.items()
    ),
    _mean(
        "judge_plain_harmonic",
        "judge_harmonic of the plain model's text.",
        "judge_plain_harmonic",
        weight="judge_plain_answered",
    ),
    _mean(
        "judge_unread",
        "Share of the judge's answers that cannot be read; each of them counts as 0.",
        "judge_unread",
        weight="judge_answered",
        direction="down",
        high=1.0,
    ),
    _mean(
        "side_effect",
        "Share of questions of an lm-eval task that the steered model answers right, at the chosen factor, minus that "
        "of the plain model.",
        "right",
        minus="clean",
        weight="asked",
        direction="up",
        low=-1.0,
        high=1.0,
        table=QUESTIONS,
    ),
    _mean("side_accuracy", "That share for the steered model.", "right", weight="asked", high=1.0, table=QUESTIONS),
    _mean("side_accuracy_clean", "That of the plain model.", "clean", weight="asked", high=1.0, table=QUESTIONS),
    _mean("detector_auroc", "AUROC of the detector on held-out texts.", "detector_auroc", high=1.0),
)

CARD = Card(
    id="steering",
    version=1,
    question="Does a direction make the model write about a concept, on the instruction and in fluent text?",
    source="Protocol after AxBench (Wu et al. 2025, arXiv 2501.17148), with scores that need no judge; KL-matched "
    "comparison ours",
    metrics=METRICS,
    headline=(
        HEADLINE,
        f"{HEADLINE}_by_prompt",
        "concept_gain",
        "instruction_score",
        "fluency_score",
        "harmonic_kl_0.5",
        "kl",
    ),
    paired_by={
        ROWS: "concept and instruction",
        PROMPTS: "concept and instruction",
        QUESTIONS: "concept and question",
    },
    control_order=(
        "methods that saw labels are above a random direction",
        "a random direction is at the plain model's harmonic score or below",
        "asking in words is above the plain model",
    ),
    expected=(Above(HEADLINE, "trained", "random"), Above("harmonic_kl_0.5", "trained", "random")),
    cost_note="For each subject and concept, factors x prompts continuations beside as many unsteered twins.",
)
