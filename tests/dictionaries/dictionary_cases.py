"""Small trained-looking dictionaries and inputs, in double precision, for tests of this folder."""

import torch
from torch import Tensor

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder, TrainingState
from saebench.dictionaries.blocks.composition import Composition

D, WIDTH, N = 8, 24, 40


def catalogue(name: str, **settings: float) -> Composition:
    """An entry of the catalogue, with a budget that fits the small width."""
    budgets = ("topk", "batchtopk", "matryoshka_batchtopk")
    return ARCHITECTURES.get(name)(**({"k": 4} if name in budgets else {}) | settings)


def inputs(n: int = N, seed: int = 5) -> Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


def model(composition: Composition, *, scale: float = 1.0, seed: int = 0, width: int = WIDTH) -> SparseAutoencoder:
    """Weights drawn anew, none of them zero; thresholds near the size of pre-activations."""
    dictionary = SparseAutoencoder(composition, D, width, sites=("site",)).to("cpu", torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in dictionary.weights().items():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.3)
            if name == "threshold":
                weight.abs_()
        if composition.constraint.unit_atoms:
            dictionary.W_dec.div_(dictionary.W_dec.norm(dim=1, keepdim=True))
        dictionary.W_enc.copy_(dictionary.W_dec + 0.1 * dictionary.W_enc)
    dictionary.scale.fill_(scale)
    return dictionary


def state(composition: Composition, *, dead: tuple[int, ...] = (), seed: int = 0, width: int = WIDTH) -> TrainingState:
    silent = torch.zeros(width, dtype=torch.int64)
    silent[list(dead)] = 100
    return TrainingState(
        step=3,
        total_steps=10,
        tokens_since_fired=silent,
        dead_after=50,
        coefficients=composition.coefficients(),
        generator=torch.Generator().manual_seed(seed),
    )


def gradients(dictionary: SparseAutoencoder) -> dict[str, Tensor]:
    """Gradients by parameter name, zero where there is none."""
    named = dict(dictionary.named_parameters())
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in named.items()}
