from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from saebench.training import TensorBatches


@dataclass(frozen=True)
class Toy:
    """Activations that are sparse sums of known unit directions, plus a constant."""

    d: int = 32
    directions: int = 64
    rate: float = 0.08

    def activations(self, n: int, seed: int) -> Tensor:
        truth = torch.Generator().manual_seed(0)
        atoms = normalize(torch.randn(self.directions, self.d, generator=truth), dim=1)
        draw = torch.Generator().manual_seed(seed + 1)
        on = torch.rand(n, self.directions, generator=draw) < self.rate
        return (on * (1 + torch.rand(n, self.directions, generator=draw))) @ atoms + 0.1

    def batches(self, size: int = 256, rows: int = 8192) -> TensorBatches:
        return TensorBatches(self.activations(rows, seed=0), size, seed=0)

    def held_out(self, n: int = 4096) -> Tensor:
        return self.activations(n, seed=1)


@pytest.fixture(scope="session")
def toy() -> Toy:
    return Toy()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fvu(dictionary, x: Tensor) -> float:
    with torch.no_grad():
        left = x - dictionary.decode(dictionary.encode(x))
    return float(left.square().sum() / (x - x.mean(0)).square().sum())


@pytest.fixture(scope="session")
def unexplained():
    """The fraction of variance that a dictionary leaves unexplained."""
    return fvu
