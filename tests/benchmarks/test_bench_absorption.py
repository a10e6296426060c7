"""What the first dictionary of a site costs in `absorption@1`, and what the next one does; on the packaged model."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from saebench.baselines.controls import RandomDictionary
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.model import LanguageModel, load_model
from saebench.tasks.absorption.task import Absorption, AbsorptionParams

SITE = "blocks.9.hook_resid_post"
PARAMS = AbsorptionParams(
    train_words=40, test_words=12, examples=4, min_letters=8, min_true_positives=3, checked_words=1
)


def seconds(lm: LanguageModel, seed: int, folder: Path) -> tuple[float, int]:
    """Time of one dictionary, and token positions that entered the model."""
    positions = 0

    def count(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        nonlocal positions
        positions += given[0].shape[0] * given[0].shape[1]

    handle = lm.hf.model.layers[0].register_forward_pre_hook(count)
    made = RandomDictionary(lm.d_model, 2048, 32, seed, torch.zeros(lm.d_model))
    begun = time.perf_counter()
    bench = bench_of(lm, PARAMS, folder=folder)
    scores = Absorption().run([FakeSubject(made, str(seed), site=SITE)], bench)
    handle.remove()
    assert scores[str(seed)].tables
    return time.perf_counter() - begun, positions


def test_the_second_dictionary_of_a_site(benchmark, tmp_path):
    torch.set_num_threads(2)
    lm = load_model("smollm2-135m-instruct", device="cpu")
    found = {}

    def measure() -> None:
        found["first"] = seconds(lm, 0, tmp_path)
        found["second"] = seconds(lm, 1, tmp_path)

    benchmark.pedantic(measure, rounds=1, iterations=1)
    torch.set_num_threads(1)
    (first, read), (second, again) = found["first"], found["second"]
    benchmark.extra_info.update(first=first, second=second, first_positions=read, second_positions=again)
    sys.stdout.write(
        f"\nfirst dictionary {first:.1f} s and {read} positions through the model, second {second:.1f} s and {again} "
        f"(its causal check alone): {first / second:.1f} times as fast\n"
    )
