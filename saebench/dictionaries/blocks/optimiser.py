"""How the parameters of a dictionary are moved: a block, because it belongs to the architecture.

JumpReLU and Gated are published with a first Adam moment of zero and must not inherit TopK's settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from saebench.errors import CompositionError

NAMES = ("adam",)


@dataclass(frozen=True)
class OptimiserSpec:
    """Settings of the optimiser of one composition."""

    name: str = "adam"
    lr: float = 3e-4
    """Largest learning rate, reached after the warm-up."""
    lr_width: int | None = None
    """Number of latents at which `lr` is meant: the rate used is `lr * sqrt(lr_width / d_dict)`.

    None: `lr` is used at every width. TopK's law (Gao et al. 2024, "Scaling and evaluating sparse
    autoencoders", section 3): the best rate falls with the square root of the number of latents.
    """
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float | None = 1.0
    """Largest norm of the gradient over all parameters; a longer one is shortened to it. None: no limit."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(float(beta) for beta in self.betas))
        if self.name not in NAMES:
            raise CompositionError(f"'{self.name}' is none of {', '.join(NAMES)}", field="optimiser.name")
        if not self.lr > 0:
            raise CompositionError(f"{self.lr} is not positive", field="optimiser.lr")
        if self.lr_width is not None and self.lr_width < 1:
            raise CompositionError(f"{self.lr_width} is not positive", field="optimiser.lr_width")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise CompositionError(f"{list(self.betas)} are not two numbers in [0, 1)", field="optimiser.betas")
        if self.clip is not None and not self.clip > 0:
            raise CompositionError(f"{self.clip} is not positive", field="optimiser.clip", remedy="null means no limit")

    def rate(self, d_dict: int) -> float:
        """The learning rate for a dictionary of `d_dict` latents."""
        return self.lr if self.lr_width is None else self.lr * math.sqrt(self.lr_width / d_dict)
