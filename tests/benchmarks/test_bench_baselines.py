"""Fitting SNMF and ITDA, each against one matrix product of its size in the same run.

SNMF: 100 iterations at 2048 x 20,000, K = 100; one product is A^T F, of which an iteration needs two. ITDA: a stream
that is read by a dictionary of 2048 atoms that stands; one product is that of the stream with all atoms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from saebench.baselines.itda import Grower
from saebench.baselines.pursuit import Pursuit
from saebench.baselines.semi_nmf import Stopping, factorise
from saebench.baselines.semi_nmf_starts import start

D, TOKENS, K, ITERATIONS = 2048, 20_000, 100, 100
WIDTH, ATOMS, L0, STREAM = 576, 2048, 32, 16_384


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def test_snmf_iterations(benchmark):
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(TOKENS, D, generator=generator)
    first, features = start("random", x, K, 0), torch.randn(D, K, generator=generator)
    never = Stopping(ITERATIONS, tol=0, patience=ITERATIONS + 1)
    x @ features
    product = float(np.median([seconds(lambda: x @ features) for _ in range(20)]))
    spent = benchmark.pedantic(lambda: seconds(lambda: factorise(x.T, first, stopping=never)), rounds=1, iterations=1)
    torch.set_num_threads(1)
    ratio = spent / ITERATIONS / product
    benchmark.extra_info.update(seconds=spent, ratio=ratio)
    sys.stdout.write(
        f"\nSNMF, {D} x {TOKENS:,}, K = {K}: {spent:.1f} s per {ITERATIONS} iterations, "
        f"an iteration is {ratio:.2f} products\n"
    )


def test_itda_stream(benchmark):
    """Goal: seconds in proportion to the stream at a fixed dictionary."""
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    atoms = torch.randn(ATOMS, WIDTH, generator=generator)
    grower = Grower(WIDTH, Pursuit(L0), tau=0.999)
    grower.begin(atoms, np.arange(ATOMS))
    x = torch.randn(STREAM, WIDTH, generator=generator)
    grower.feed(x, np.arange(STREAM))
    product = float(np.median([seconds(lambda: x @ grower.atoms.T) for _ in range(10)]))
    spent: dict[int, float] = {}

    def measure() -> None:
        for share in (4, 2, 1):
            part = x[: STREAM // share]
            spent[share] = seconds(lambda part=part: grower.feed(part, np.arange(len(part))))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    torch.set_num_threads(1)
    assert grower.count == ATOMS
    ratio = spent[1] / product
    times = {f"{STREAM // share:,}": round(one, 2) for share, one in spent.items()}
    benchmark.extra_info.update(seconds=spent[1], ratio=ratio)
    sys.stdout.write(
        f"\nITDA, {ATOMS} atoms of width {WIDTH}, L0 {L0}: seconds by tokens {times}, {ratio:.1f} products a stream; "
        f"{STREAM / spent[1]:,.0f} tokens/s\n"
    )
