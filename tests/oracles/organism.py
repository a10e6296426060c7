"""The synthetic organism of Song et al. 2025 (arXiv 2505.20254): its data, its initial weights, our trainer's settings.

Everything is drawn in the published order, so that our trainer starts from the very weights that the published
curves start from. Five models of each kind, seeds 42 to 46, full batches.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from saebench.dictionaries.blocks.block import block
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.constraint import GrowingAtoms
from saebench.dictionaries.blocks.init import Init
from saebench.dictionaries.blocks.objective import Reconstruction
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.dictionaries.blocks.regularisers import L1
from saebench.dictionaries.blocks.rules import Positive, RowTopK
from saebench.dictionaries.blocks.sparsifier import Sparsifier
from saebench.dictionaries.blocks.state import Weights
from saebench.dictionaries.contract import Provenance
from saebench.matching.mcc import mcc
from saebench.training import Member, TrainSettings
from saebench.training.member_run import MemberRun
from saebench.training.state import STATE_FILE, load_state

FEATURES, WIDTH, SAMPLES, ACTIVE = 32, 16, 50_000, 3
SEEDS = range(42, 47)


@cache
def organism() -> tuple[Tensor, Tensor]:
    """True features `[32, 16]`, unit rows, and activations `[50000, 16]`, both float32."""
    random = np.random.RandomState(42)
    features = random.randn(FEATURES, WIDTH)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    strengths = np.zeros((SAMPLES, FEATURES))
    for row in strengths:
        chosen = random.choice(FEATURES, ACTIVE, replace=False)
        row[chosen] = np.abs(random.randn(ACTIVE))
    return torch.from_numpy(features).float(), torch.from_numpy(strengths @ features).float()


@block("init", "organism_standard")
@dataclass(frozen=True)
class StandardInit(Init):
    """Both layers as torch makes them, then atoms of norm 0.1 and the encoder tied to them; the bias stays torch's."""

    @torch.no_grad()
    def fill(self, weights: Weights, generator: torch.Generator, sample: Tensor | None) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            encoder = nn.Linear(WIDTH, FEATURES)
            nn.Linear(FEATURES, WIDTH, bias=False)
            atoms = torch.randn(WIDTH, FEATURES)
        atoms = 0.1 * atoms / atoms.norm(dim=0, keepdim=True)
        weights["W_dec"].copy_(atoms.T)
        weights["W_enc"].copy_(atoms.T)
        weights["b_enc"].copy_(encoder.bias)


@block("init", "organism_topk")
@dataclass(frozen=True)
class TopKInit(Init):
    """The decoder as torch makes it, then unit atoms and the encoder tied to them; the bias is 0."""

    @torch.no_grad()
    def fill(self, weights: Weights, generator: torch.Generator, sample: Tensor | None) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            atoms = nn.Linear(FEATURES, WIDTH, bias=False).weight
        atoms = atoms / (atoms.norm(dim=0, keepdim=True) + torch.finfo(atoms.dtype).eps)
        weights["W_dec"].copy_(atoms.T)
        weights["W_enc"].copy_(atoms.T)


def composition(kind: str) -> Composition:
    """The blocks of the models called "standard" or "topk": the L1 penalty holds for both."""
    rule = {"standard": Positive(), "topk": RowTopK(ACTIVE)}[kind]
    return Composition(
        f"organism_{kind}",
        sparsifier=Sparsifier(rule=rule),
        objective=Reconstruction(scale="mse"),
        regularisers=(L1(1e-2),),
        init={"standard": StandardInit(), "topk": TopKInit()}[kind],
        constraint=GrowingAtoms(),
        optimiser=OptimiserSpec(lr=1e-4, clip=None),
    )


def start(kind: str, steps: int, folder: Path | None = None) -> list[MemberRun]:
    """The five models, each as its folder under `folder` has it, or at its beginning."""
    _, x = organism()
    settings = TrainSettings(steps=steps, warm_up=0.0, decay=0.0, log_every=steps)
    runs = []
    for seed in SEEDS:
        member = Member(f"{kind}-{seed}", composition(kind), FEATURES, seed)
        record = {"d_in": WIDTH, "batch_size": SAMPLES}
        own = folder / member.name if folder else None
        run = MemberRun(member, settings, record, sites=(), provenance=Provenance(), folder=own)
        if own is not None and (own / STATE_FILE).exists():
            run.restore(load_state(own / STATE_FILE))
        else:
            run.begin([x])
        runs.append(run)
    return runs


def advance(runs: list[MemberRun], until: int) -> None:
    """Bring all models to `until` steps, each step on all the data."""
    _, x = organism()
    for run in runs:
        while run.step < until:
            run.advance(x)


def pw_mcc(runs: list[MemberRun]) -> float:
    """Mean over pairs of models of the signed MCC of their atoms."""
    pairs = itertools.combinations([run.model.atoms for run in runs], 2)
    return float(np.mean([mcc(first, second).value for first, second in pairs]))


def gt_mcc(runs: list[MemberRun]) -> list[float]:
    """The signed MCC of each model's atoms with the true features."""
    features, _ = organism()
    return [mcc(run.model.atoms, features).value for run in runs]
