"""Encode and decode of 2048 x 576 at 4096 latents, k 32, as a multiple of the matrix product that encoding needs."""

import statistics
import sys
import time

import torch

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder

D, LATENTS, K, BATCH, PAIRS = 576, 4096, 32, 2048, 30


def test_encode_and_decode_against_one_product(benchmark):
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, D, generator=generator)
    sae = SparseAutoencoder(ARCHITECTURES.get("topk")(k=K), D, LATENTS)
    sae.initialise(generator, x)
    sae = sae.fold()
    weight, bias = torch.randn(D, LATENTS, generator=generator), torch.randn(LATENTS, generator=generator)

    def ours() -> None:
        sae.decode(sae.encode(x))

    def product() -> None:
        torch.addmm(bias, x, weight)

    def plain() -> None:
        values, latents = torch.addmm(bias, x, weight).topk(K, dim=1)
        torch.nn.functional.embedding_bag(latents, sae.W_dec, mode="sum", per_sample_weights=values.relu())

    times: dict[str, list[float]] = {"ours": [], "product": [], "plain": []}

    def measure() -> None:
        for _ in range(PAIRS):
            for name, work in (("product", product), ("ours", ours), ("plain", plain)):
                begun = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - begun)

    with torch.no_grad():
        ours()
        product()
        benchmark.pedantic(measure, rounds=1, iterations=1)
    torch.set_num_threads(1)
    ratio = {
        name: statistics.median(a / b for a, b in zip(times[name], times["product"], strict=True))
        for name in ("ours", "plain")
    }
    benchmark.extra_info.update(ratio)
    sys.stdout.write(
        f"\nencode + decode: {ratio['ours']:.2f} times one product (goal 1.75); "
        f"plain addmm + topk + embedding_bag: {ratio['plain']:.2f}\n"
    )
