"""The card of `tpp@1`.

Notation: A_j the accuracy of the probe of class j on its test texts (as many of the class as paired ones of the other
classes), A_j|i the same after the latents of class i are taken out. An item is a test text of a class probe; its drop
under i is what it adds to A_j - A_j|i. Every data set has the same weight, and every class inside one.
"""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric
from saebench.token_means.latents import N_VALUES

TEXTS = "texts"

UNFIT = (
    "an audit (arXiv 2605.18229) found TPP unfit to rank dictionaries: reseeding moves it by 16-39 % and it falls "
    "while a dictionary trains; it is shown for comparison with published values only"
)


def _metric(name: str, definition: str, numerator: dict[str, float], direction: Direction = "none") -> Metric:
    return Metric(name, definition, numerator, {"weight": 1}, TEXTS, direction=direction, low=-2.0, high=2.0, null=0.0)


def _curve(n: int) -> tuple[Metric, ...]:
    taken = f"with the {n} latents of largest max(d, 0) * <w, atom> taken out"
    return (
        _metric(
            f"tpp_n{n}",
            f"Mean over classes of (A_i - A_i|i) - mean over the other classes j of (A_j - A_j|i), {taken}.",
            {f"intended_n{n}": 1, f"unintended_n{n}": -1},
            "up",
        ),
        _metric(f"intended_n{n}", f"Mean over classes of A_i - A_i|i, {taken}.", {f"intended_n{n}": 1}),
        _metric(
            f"unintended_n{n}",
            f"Mean over classes i and other classes j of A_j - A_j|i, {taken}.",
            {f"unintended_n{n}": 1},
        ),
        _metric(
            f"tpp_random_n{n}",
            f"tpp_n{n} with each latent replaced by a random one of about its firing frequency, mean of several draws.",
            {f"random_n{n}": 1},
        ),
        _metric(
            f"tpp_above_random_n{n}",
            f"tpp_n{n} - tpp_random_n{n}.",
            {f"intended_n{n}": 1, f"unintended_n{n}": -1, f"random_n{n}": -1},
            "up",
        ),
    )


METRICS = (
    *(metric for n in N_VALUES for metric in _curve(n)),
    Metric(
        "isolation",
        "Mean unintended drop over mean intended drop when half of what the class probe knows is gone: for each class "
        "at the smallest n whose drop on validation texts is at least (A_i - .5) / 2, over the classes that get there.",
        {"isolation_unintended": 1},
        {"isolation_intended": 1},
        TEXTS,
        direction="down",
        null=1.0,
    ),
)

CARD = Card(
    id="tpp",
    version=1,
    question="Does taking out the latents of one class hurt the probe of that class, and no other?",
    source="Marks et al. 2024 and Karvonen et al. 2025 (sae-bench scr_and_tpp), with the closed form on token means, "
    "validation texts for the choice of the probe, fixed paired negatives, a curve of random latents, and isolation.",
    metrics=METRICS,
    headline=("tpp_n10", "tpp_n100", "tpp_above_random_n100", "isolation"),
    paired_by={TEXTS: "test text of a class probe"},
    control_order=("trained", "permuted", "random latents (0)"),
    expected=(
        Above("tpp_n100", "trained", "permuted"),
        Above("tpp_n100", "permuted", "random"),
    ),
    cost_note="One pass of the layers up to the site over about 4,700 short texts, once; one encoding of the same "
    "texts for each dictionary, and no decoding.",
    unfit=UNFIT,
)
