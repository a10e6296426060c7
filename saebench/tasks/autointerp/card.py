"""The card of `autointerp@1`: means over explained latents. All of it is in the eyes of one judge, who is identity.

A latent is tested on 14 windows that its explanation was not made from: 4 in which it is active, 10 in which it is
not. Accuracy is the share of them on which the judge is right: naming none scores 10/14. Balanced accuracy is the mean
of the shares among the active ones and among the others: naming none, or all, scores .5. An answer that cannot be read,
nor when the question is repeated, names none. Questions without any answer have no weight and are counted.
"""

from __future__ import annotations

from saebench.tasks.autointerp.params import HELD, HELD_INACTIVE
from saebench.tasks.contract import Above, Card, Metric

LATENTS = "latents"
CANDIDATES_TABLE = "candidates"
NULL_ACCURACY = HELD_INACTIVE / HELD

WHAT = {
    "detection": "in which windows, unmarked, the latent is active",
    "fuzzing": "in which windows the marked tokens are those on which the latent fires (in the others as many tokens "
    "were marked at random)",
}
MEASURES = {"": ("balanced accuracy", "balanced", 0.5), "_accuracy": ("accuracy", "accuracy", NULL_ACCURACY)}


def column(test: str, side: str, what: str) -> str:
    """The name of a column: `detection_own_balanced`."""
    return f"{test}_{side}_{what}"


def _of_test(test: str) -> list[Metric]:
    made = []
    for ending, (words, what, null) in MEASURES.items():
        made.append(
            Metric(
                f"{test}{ending}",
                f"Mean {words} of the judge in telling, from the latent's explanation, {WHAT[test]}.",
                {column(test, "own", what): 1},
                {column(test, "own", "answered"): 1},
                LATENTS,
                direction="up",
                low=0.0,
                high=1.0,
                null=null,
            )
        )
        made.append(
            Metric(
                f"{test}{ending}_shuffled",
                f"The same with the explanation of another latent of the dictionary: what {test}{ending} is when the "
                "explanation is wrong.",
                {column(test, "shuffled", what): 1},
                {column(test, "shuffled", "answered"): 1},
                LATENTS,
                low=0.0,
                high=1.0,
                null=null,
            )
        )
    made.append(
        Metric(
            f"{test}_gain",
            f"{test} less {test}_shuffled, among latents that have both: what it is worth that the explanation is the "
            "latent's own.",
            {column(test, "own", "paired"): 1, column(test, "shuffled", "paired"): -1},
            {column(test, "both", "answered"): 1},
            LATENTS,
            direction="up",
            low=-1.0,
            high=1.0,
            null=0.0,
        )
    )
    return made


METRICS = (
    *_of_test("detection"),
    *_of_test("fuzzing"),
    Metric(
        "null_accuracy",
        "Accuracy of a judge that names no window.",
        {"inactive": 1},
        {"held_out": 1},
        LATENTS,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "unread",
        "Share of the judge's answers, explanations included, that could not be read, nor when the question was "
        "repeated.",
        {"unread": 1},
        {"answers": 1},
        LATENTS,
        direction="down",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "unanswered",
        "Share of the questions to which no answer came, after all attempts.",
        {"unanswered": 1},
        {"questions": 1},
        LATENTS,
        direction="down",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "testable",
        "Share of the latents looked at that fire and are active in 9 windows and inactive in 10, at least: the others "
        "cannot be tested on so few tokens. The scores speak of testable latents alone.",
        {"testable": 1},
        {"alive": 1},
        CANDIDATES_TABLE,
        low=0.0,
        high=1.0,
    ),
)

CARD = Card(
    id="autointerp",
    version=1,
    question="Can a judge that reads an explanation of a latent tell where the latent fires?",
    source="Paulo et al. 2024 (arXiv 2410.13928), detection and fuzzing; Karvonen et al. 2025 (arXiv 2503.09532), "
    "numbers of examples and importance-weighted ones. Balanced accuracy and shuffled explanations are our own.",
    metrics=METRICS,
    headline=(
        "detection",
        "detection_shuffled",
        "detection_gain",
        "fuzzing",
        "fuzzing_shuffled",
        "fuzzing_gain",
        "detection_accuracy",
        "null_accuracy",
        "unread",
    ),
    control_order=(
        "a trained dictionary is above random",
        "permuted ties with the dictionary that it permutes: it has the same codes, and explanations see nothing else",
        "shuffled explanations are at .5 with a judge that heeds explanations",
        "identity is undefined: every latent fires in every window",
    ),
    expected=(
        Above("detection", "trained", "random"),
        Above("detection_gain", "trained", "random"),
        Above("fuzzing_gain", "trained", "random"),
    ),
    cost_note="One encode pass over the evaluated tokens; then five questions to the judge for each latent, of some "
    "400 tokens each, and one more for each answer that cannot be read.",
)
