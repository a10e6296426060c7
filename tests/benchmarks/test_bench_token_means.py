"""SCR and TPP of one dictionary: the closed form on token means against encoding anew for every ablation.

Brute force here is what the protocol asks for without the closed form, done with care: one batch for each list of
texts, sparse codes, the reconstruction error taken from the same codes. It encodes as often as sae-bench 0.6.0 does:
TPP 5 classes x 7 sizes x 5 lists of texts, SCR 3 probes x 7 sizes x 6 lists.
"""

import sys
import time

import numpy as np
import pytest
import torch
from scipy import sparse

from saebench.activations.sets import ActivationSet
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.token_means.latents import N_VALUES, probe_gains, removed
from saebench.token_means.means import activation_means, code_means

D, LATENTS, K, T = 576, 2048, 32, 16


@pytest.mark.parametrize(("name", "sets", "lists", "texts"), [("TPP", 5, 5, 50), ("SCR", 3, 6, 40)])
def test_one_encoding_against_one_for_each_ablation(name, sets, lists, texts, benchmark):
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(texts, T, D, generator=generator)
    sae = SparseAutoencoder(ARCHITECTURES.get("topk")(k=K), D, LATENTS)
    sae.initialise(generator, x.flatten(0, 1))
    sae = sae.fold()
    mask = torch.arange(T)[None] < torch.randint(T // 2, T + 1, (texts, 1), generator=generator)
    data = ActivationSet.from_tensor(x, mask)
    probes = torch.randn(sets, D, generator=generator).double().numpy()
    latents = [torch.randperm(LATENTS, generator=generator)[: N_VALUES[-1]].numpy() for _ in range(sets)]
    # TPP: the texts of each class. SCR: both lists of each of three questions about four cells.
    size = texts // 5 if name == "TPP" else texts // 2
    members = [np.arange(place * size, (place + 1) * size) % texts for place in range(lists)]
    encoded = {"ours": 0, "brute force": 0}

    def ours() -> np.ndarray:
        codes = code_means(sae, data, 4, "cpu", torch.float32)
        encoded["ours"] += codes.tokens
        clean = activation_means(data, 4, "cpu") @ probes.T
        gains = probe_gains(sae, probes)
        columns = sparse.csc_array(codes.means)
        return np.stack([clean - removed(columns, one, gains) for one in latents])

    def brute_force() -> dict[tuple[int, int, int], np.ndarray]:
        answers = {}
        for place, one in enumerate(latents):
            for step, n in enumerate(N_VALUES):
                gone = torch.from_numpy(one[:n].copy())
                for which, rows in enumerate(members):
                    kept = mask[rows]
                    tokens = x[rows][kept]
                    codes = sae.encode(tokens)
                    encoded["brute force"] += len(tokens)
                    changed = sae.decode(codes.ablate(gone)) + (tokens - sae.decode(codes))
                    sums = torch.zeros(len(rows), D).index_add_(0, kept.nonzero()[:, 0], changed)
                    answers[place, step, which] = (sums / kept.sum(1, keepdim=True)).double().numpy() @ probes.T
        return answers

    with torch.no_grad():
        ours()
        encoded["ours"] = 0
        begun = time.perf_counter()
        expected = brute_force()
        slow = time.perf_counter() - begun
        begun = time.perf_counter()
        made = benchmark.pedantic(ours, rounds=1, iterations=1)
        fast = time.perf_counter() - begun
    torch.set_num_threads(1)
    for (place, step, which), scores in expected.items():
        assert made[place, step, members[which]] == pytest.approx(scores, rel=1e-4, abs=1e-4)
    assert len(expected) == {"TPP": 175, "SCR": 126}[name]
    assert encoded["brute force"] >= 20 * encoded["ours"]
    ratio = slow / fast
    benchmark.extra_info.update(ratio=ratio, encodings=encoded["brute force"] / encoded["ours"])
    sys.stdout.write(
        f"\n{name}: {encoded['brute force'] / encoded['ours']:.0f} times fewer tokens encoded than brute force, "
        f"{ratio:.0f} times faster ({slow:.1f} s against {fast:.2f} s)\n"
    )
