"""The catalogue: published architectures as compositions of blocks.

Each entry is a short function of the settings that papers vary; everything else is the paper's or its reference code's
value, and `saebench show NAME` prints the resulting composition. To add an architecture, write such a function and
register it in `saebench.dictionaries.ARCHITECTURES`, or ship it under the entry-point group `saebench.architectures`.

One thing is ours: `b_dec` starts at the centre of the data everywhere, as it does for TopK. From zero, a rate of 1e-4
takes longer to reach the mean of a site than a short run lasts, and architectures would differ in nothing else.

Coefficients, thresholds and kernel widths hold for the input scale that stands beside them. Entries with a penalty take
`sparsity`, the coefficient, and `l0`: where it is given, the coefficient is only where the search for that L0 starts.
"""

from __future__ import annotations

from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.constraint import UnitAtoms
from saebench.dictionaries.blocks.controllers import Controller, L0Target, PAnneal, Reorder, ThresholdAverage, WarmUp
from saebench.dictionaries.blocks.decoder import LinearDecoder
from saebench.dictionaries.blocks.encoder import GatedEncoder, LinearEncoder
from saebench.dictionaries.blocks.init import Tied
from saebench.dictionaries.blocks.objective import FixedPrefixes, SampledPrefixes
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.dictionaries.blocks.preprocess import MeanScale, UnitScale
from saebench.dictionaries.blocks.regularisers import L0, L1, AuxK, GatedAux, Lp
from saebench.dictionaries.blocks.rules import BatchTopK, LatentThreshold, Positive, RowTopK
from saebench.dictionaries.blocks.sparsifier import GateScore, Sparsifier

BUDGET_OPTIMISER = OptimiserSpec(lr=2e-4, lr_width=2**14, betas=(0.9, 0.999))
"""TopK's: 2e-4 at 16,384 latents, falling with the square root of the width (Gao et al. 2024)."""


def relu(sparsity: float = 0.03, l0: float | None = None) -> Composition:
    """ReLU with an L1 penalty and unit atoms (Bricken et al. 2023)."""
    return Composition(
        "relu",
        preprocess=UnitScale(),
        regularisers=(L1(sparsity),),
        init=Tied(encoder_scale=0.1, b_dec="mean"),
        constraint=UnitAtoms(),
        controllers=steered("l1", l0),
        optimiser=OptimiserSpec(lr=1e-3),
    )


def relu_april(sparsity: float = 5.0, l0: float | None = None) -> Composition:
    """ReLU with L1 weighted by free atom norms (Anthropic, "Circuits updates, April 2024")."""
    return Composition(
        "relu_april",
        preprocess=MeanScale(),
        encoder=LinearEncoder(subtract_b_dec=False),
        regularisers=(L1(sparsity, weight="atom_norm"),),
        init=Tied(norm=0.1, b_dec="mean"),
        controllers=steered("l1", l0),
        optimiser=OptimiserSpec(lr=1e-3),
    )


def gated(sparsity: float = 0.03, l0: float | None = None) -> Composition:
    """A gate that chooses, a magnitude that is not shrunk (Rajamanoharan et al. 2024, "Gated")."""
    return Composition(
        "gated",
        preprocess=UnitScale(),
        encoder=GatedEncoder(),
        sparsifier=Sparsifier(score=GateScore()),
        regularisers=(L1(sparsity, on="gate"), GatedAux()),
        init=Tied(b_dec="mean"),
        constraint=UnitAtoms(),
        controllers=steered("l1", l0),
        optimiser=OptimiserSpec(lr=3e-4, betas=(0.0, 0.999)),
    )


def jumprelu(sparsity: float = 1e-3, l0: float | None = None, bandwidth: float = 0.001) -> Composition:
    """Thresholds learned through a straight-through estimator (Rajamanoharan et al. 2024, "Jumping ahead").

    With `l0` the penalty is `(mean L0 / l0 - 1)^2`, whose coefficient is 1, and `sparsity` is not used.
    """
    penalty = L0(sparsity, bandwidth) if l0 is None else L0(1.0, bandwidth, target=l0)
    return Composition(
        "jumprelu",
        preprocess=UnitScale(),
        encoder=LinearEncoder(subtract_b_dec=False),
        sparsifier=Sparsifier(rule=LatentThreshold(bandwidth, initial=0.001)),
        regularisers=(penalty,),
        init=Tied(b_dec="mean"),
        constraint=UnitAtoms(),
        controllers=(WarmUp("l0"),),
        optimiser=OptimiserSpec(lr=7e-5, betas=(0.0, 0.999)),
    )


def topk(k: int = 32) -> Composition:
    """The k largest latents of each token, dead ones revived by AuxK (Gao et al. 2024)."""
    return Composition(
        "topk",
        preprocess=MeanScale(),
        sparsifier=Sparsifier(rule=RowTopK(k)),
        regularisers=(AuxK(),),
        init=Tied(b_dec="geometric_median"),
        constraint=UnitAtoms(),
        optimiser=BUDGET_OPTIMISER,
    )


def batchtopk(k: int = 32) -> Composition:
    """On average k latents a token, shared out over the batch (Bussmann et al. 2024)."""
    return Composition(
        "batchtopk",
        preprocess=MeanScale(),
        sparsifier=Sparsifier(rule=BatchTopK(k)),
        regularisers=(AuxK(),),
        init=Tied(b_dec="geometric_median"),
        constraint=UnitAtoms(),
        controllers=(ThresholdAverage(),),
        optimiser=BUDGET_OPTIMISER,
    )


def matryoshka_batchtopk(k: int = 32) -> Composition:
    """BatchTopK whose prefixes of 1/16, 1/8, 1/4 and 1/2 of the latents reconstruct as well (Bussmann et al. 2025)."""
    return Composition(
        "matryoshka_batchtopk",
        preprocess=MeanScale(),
        sparsifier=Sparsifier(rule=BatchTopK(k)),
        decoder=LinearDecoder(ordered=True),
        objective=FixedPrefixes(),
        regularisers=(AuxK(),),
        init=Tied(b_dec="geometric_median"),
        constraint=UnitAtoms(),
        controllers=(ThresholdAverage(),),
        optimiser=OptimiserSpec(lr=3e-4),
    )


def matryoshka_sampled(sparsity: float = 5.0, l0: float | None = None, prefixes: int = 10) -> Composition:
    """ReLU with prefixes drawn anew each step and latents sorted by importance (Nabeshima 2024)."""
    return Composition(
        "matryoshka_sampled",
        preprocess=MeanScale(),
        sparsifier=Sparsifier(rule=Positive()),
        decoder=LinearDecoder(ordered=True),
        objective=SampledPrefixes(prefixes),
        regularisers=(L1(sparsity, weight="atom_norm", per_prefix=True),),
        init=Tied(norm=0.1, b_dec="mean"),
        controllers=(*steered("l1", l0, warm_up=0.2), Reorder()),
        optimiser=OptimiserSpec(lr=3e-3, betas=(0.5, 0.9375)),
    )


def p_anneal(sparsity: float = 0.02, l0: float | None = None) -> Composition:
    """ReLU with an Lp penalty whose p falls from 1 to 0.2 (Karvonen et al. 2024)."""
    return Composition(
        "p_anneal",
        preprocess=UnitScale(),
        regularisers=(Lp(sparsity),),
        init=Tied(encoder_scale=0.1, b_dec="mean"),
        constraint=UnitAtoms(),
        controllers=(*steered("lp", l0), PAnneal("lp")),
        optimiser=OptimiserSpec(lr=1e-3),
    )


def steered(term: str, l0: float | None, warm_up: float = 0.05) -> tuple[Controller, ...]:
    """A warm-up of the penalty `term`, and the search for a coefficient that gives `l0` where one is asked for."""
    warm = WarmUp(term, warm_up)
    return (warm,) if l0 is None else (warm, L0Target(term, l0))
