"""The catalogue: published architectures as compositions of blocks.

Each entry is a short function of the settings that papers vary; everything else is the paper's (or its reference
code's) value, and `saebench show NAME` prints the resulting composition. To add an architecture, write such a function
and register it in `saebench.dictionaries.ARCHITECTURES`, or ship it under the entry-point group
`saebench.architectures`.
"""

from __future__ import annotations

from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.constraint import UnitAtoms
from saebench.dictionaries.blocks.controllers import ThresholdAverage, WarmUp
from saebench.dictionaries.blocks.init import Tied
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.dictionaries.blocks.preprocess import MeanScale
from saebench.dictionaries.blocks.regularisers import L1, AuxK
from saebench.dictionaries.blocks.rules import BatchTopK, RowTopK
from saebench.dictionaries.blocks.sparsifier import Sparsifier

BUDGET_OPTIMISER = OptimiserSpec(lr=2e-4, lr_width=2**14, betas=(0.9, 0.999))
"""TopK's: 2e-4 at 16,384 latents, falling with the square root of the width."""


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


def relu(sparsity: float = 0.1) -> Composition:
    """ReLU with an L1 penalty and unit atoms (Bricken et al. 2023)."""
    return Composition(
        "relu",
        preprocess=MeanScale(),
        regularisers=(L1(sparsity),),
        constraint=UnitAtoms(),
        controllers=(WarmUp("l1"),),
        optimiser=OptimiserSpec(lr=1e-3),
    )
