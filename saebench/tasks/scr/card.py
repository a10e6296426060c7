"""The card of `scr@1`.

Notation: a pair of binary labels (first, second) on the same texts. The biased probe is trained where both labels
agree, so that it can use either. Direction 1 asks it for the first label after the latents of the second are taken
out, direction 2 the other way round. Test texts hold all four combinations equally often; sums run over test texts.
"""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric
from saebench.token_means.latents import N_VALUES

TEXTS = "texts"

UNFIT = (
    "an audit (arXiv 2605.18229) found SCR unfit to rank dictionaries: it does not grow as a dictionary trains, and at "
    "large n it falls as the dictionary gets closer to the true features; it is shown for comparison with published "
    "values only"
)
GAP = "correct(probe trained for the label) - correct(biased probe)"


def _metric(
    name: str, definition: str, numerator: dict[str, float], denominator: str, direction: Direction = "up"
) -> Metric:
    return Metric(name, definition, numerator, {denominator: 1}, TEXTS, direction=direction, null=0.0)


def _curve(n: int) -> tuple[Metric, ...]:
    taken = f"with the {n} latents of largest |d <w, atom>| of the other label taken out"
    gain = f"Sum of correct(biased probe, {taken}) - correct(biased probe), over the sum of {GAP}"
    return (
        _metric(
            f"scr_n{n}",
            f"{gain}; of each pair the direction in which the biased probe is less accurate on validation texts, "
            "both with half weight where it is equally so.",
            {f"gain_n{n}": 1},
            "gap",
        ),
        _metric(f"scr_dir1_n{n}", f"{gain}; direction 1.", {f"gain1_n{n}": 1}, "gap1"),
        _metric(f"scr_dir2_n{n}", f"{gain}; direction 2.", {f"gain2_n{n}": 1}, "gap2"),
        _metric(
            f"scr_random_n{n}",
            f"scr_n{n} with each latent replaced by a random one of about its firing frequency, mean of several draws.",
            {f"random_n{n}": 1},
            "gap",
            "none",
        ),
        _metric(
            f"scr_above_random_n{n}",
            f"scr_n{n} - scr_random_n{n}.",
            {f"gain_n{n}": 1, f"random_n{n}": -1},
            "gap",
        ),
    )


CARD = Card(
    id="scr",
    version=1,
    question="Does a probe that was misled by a spurious label recover when the latents of that label are taken out?",
    source="Marks et al. 2024 (SHIFT) and Karvonen et al. 2025 (sae-bench scr_and_tpp), with the closed form on token "
    "means, validation texts for the choice of probe, pairs and direction, a floor under the denominator, and a curve "
    "of random latents.",
    metrics=tuple(metric for n in N_VALUES for metric in _curve(n)),
    headline=("scr_n10", "scr_n100", "scr_above_random_n10", "scr_above_random_n100"),
    paired_by={TEXTS: "test text of a pair of labels"},
    control_order=("trained", "permuted", "random latents (0)"),
    expected=(
        Above("scr_n100", "trained", "permuted"),
        Above("scr_n100", "trained", "random"),
    ),
    cost_note="One pass of the layers up to the site over about 2,000 short texts, once; one encoding of the same "
    "texts for each dictionary, and no decoding.",
    unfit=UNFIT,
)
