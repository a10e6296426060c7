"""Training steps a second against sae-lens's own trainer, on the same batches and from the same weights.

Two comparisons. *Matched*: both sides compute the same loss with the same parametrisation (free atoms, no norm
rescaling, Adam with gradient norm 1), so that even the final losses must agree. *Defaults*: each side's own TopK, ours
with unit atoms and projected gradients, sae-lens's with codes rescaled by decoder norms.
"""

import statistics
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.blocks.constraint import Free
from saebench.dictionaries.blocks.init import Tied
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.dictionaries.blocks.preprocess import Raw
from saebench.dictionaries.contract import Provenance
from saebench.training import Member, TrainSettings
from saebench.training.member_run import MemberRun

D, LATENTS, K, BATCH, STEPS, LR = 576, 4096, 32, 2048, 300, 3e-4
POOL = 24
BLOCK = 10


def activations() -> list[torch.Tensor]:
    """`POOL` batches and a held-out one: sparse sums of 3,000 directions of norm about sqrt(d), with noise."""
    generator = torch.Generator().manual_seed(0)
    directions = normalize(torch.randn(3000, D, generator=generator), dim=1)
    batches = []
    for _ in range(POOL + 1):
        on = torch.rand(BATCH, 3000, generator=generator) < 0.01
        size = on * (1 + torch.rand(BATCH, 3000, generator=generator))
        batches.append(2.5 * size @ directions + 0.2 * torch.randn(BATCH, D, generator=generator))
    return batches


def ours(first: torch.Tensor, *, matched: bool) -> MemberRun:
    composition = ARCHITECTURES.get("topk")(k=K)
    if matched:
        composition = replace(
            composition,
            preprocess=Raw(),
            constraint=Free(),
            init=Tied(norm=0.1),
            optimiser=OptimiserSpec(lr=LR),
        )
    settings = TrainSettings(steps=10 * STEPS, warm_up=0, decay=0, dead_after=10**12, log_every=10**9)
    record = {"d_in": D, "batch_size": BATCH}
    run = MemberRun(
        Member("topk", composition, LATENTS), settings, record, sites=(), provenance=Provenance(), folder=None
    )
    run.begin([first])
    return run


def theirs(run: MemberRun, *, matched: bool):
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=D, d_sae=LATENTS, k=K, rescale_acts_by_decoder_norm=not matched))
    with torch.no_grad():
        sae.W_enc.copy_(run.model.W_enc.T)
        sae.W_dec.copy_(run.model.W_dec)
        sae.b_dec.copy_(run.model.b_dec)
    config = SAETrainerConfig(
        total_training_samples=10 * STEPS * BATCH, train_batch_size_samples=BATCH, lr=LR, lr_end=LR / 10
    )
    return SAETrainer(config, sae, iter(()))


def held_out_loss(encode_decode, batch: torch.Tensor) -> float:
    with torch.no_grad():
        return float((batch - encode_decode(batch)).square().sum(1).mean())


@pytest.mark.parametrize("matched", [True, False], ids=["matched", "defaults"])
def test_training_step_against_sae_lens(benchmark, capsys, matched):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    *batches, held_out = activations()
    run = ours(batches[0], matched=matched)
    peer = theirs(run, matched=matched)
    mine, other = [], []

    def all_steps() -> None:
        for start in range(0, STEPS if matched else 10 * BLOCK, BLOCK):
            for times, step in ((mine, run.advance), (other, peer.step)):
                begun = time.perf_counter()
                for index in range(start, start + BLOCK):
                    step(batches[index % POOL])
                times.append((time.perf_counter() - begun) / BLOCK)

    benchmark.pedantic(all_steps, rounds=1, iterations=1)
    torch.set_num_threads(threads)
    ratio = statistics.median(there / here for here, there in zip(mine, other, strict=True))
    losses = held_out_loss(run.model, held_out), held_out_loss(peer.sae, held_out)
    benchmark.extra_info.update(
        ours_steps_per_second=1 / statistics.median(mine),
        sae_lens_steps_per_second=1 / statistics.median(other),
        ratio=ratio,
        losses=losses,
    )
    with capsys.disabled():
        sys.stdout.write(
            f"\nTopK {D} -> {LATENTS}, k {K}, batch {BATCH}, {'matched' if matched else 'defaults'}: "
            f"{1 / statistics.median(mine):.2f} steps/s, sae-lens {1 / statistics.median(other):.2f}, "
            f"ratio {ratio:.2f} (goal 2.0); held-out loss {losses[0]:.4f} against {losses[1]:.4f}\n"
        )
    if matched:
        assert losses[0] == pytest.approx(losses[1], rel=0.02)
