"""Steered generation: 14 factors x 10 prompts x 3 methods of one concept, one batched generation a method, against one
row at a time; on the packaged model. Goal: at least 4 times as fast. Of the rows one by one a sample is timed."""

from __future__ import annotations

import sys
import time

import torch

from saebench.data.instructions import INSTRUCTIONS
from saebench.lm.model import LanguageModel, load_model
from saebench.lm.steering import Prompts, continued
from saebench.tasks.steering.interventions import edit_of
from saebench.tasks.steering.prompting import prompts_of

SITE = "blocks.9.hook_resid_post"
FACTORS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
PROMPTS, METHODS, STEPS = 10, 3, 32
UNIT = 20.0
"""What a factor multiplies, in units of the activation."""
SAMPLE = 14
"""Every so many-th row is also generated alone."""


def strengths() -> torch.Tensor:
    return UNIT * torch.tensor(FACTORS).repeat_interleave(PROMPTS)


def alone(lm: LanguageModel, prompts: Prompts, prompt: int, direction: torch.Tensor, strength: float) -> torch.Tensor:
    """One row as a loop over rows would do it: its own prompt, its own passes, nothing shared, no twin beside it."""
    ids = prompts.tokens[prompt][prompts.mask[prompt]][None]

    def push(acts: torch.Tensor) -> torch.Tensor:
        pushed = acts + strength * direction
        return pushed if acts.shape[1] == 1 else torch.cat([acts[:, :1], pushed[:, 1:]], dim=1)

    return lm.generate(ids, STEPS, splice=(SITE, push))[0, ids.shape[1] :]


def test_batched_steering(benchmark):
    torch.set_num_threads(2)
    lm = load_model("smollm2-135m-instruct", device="cpu")
    prompts = prompts_of(lm, INSTRUCTIONS[:PROMPTS])
    prompt_of = torch.arange(PROMPTS).repeat(len(FACTORS))
    directions = torch.nn.functional.normalize(
        torch.randn(METHODS, lm.d_model, generator=torch.Generator().manual_seed(0))
    )
    spent, said = {}, []

    def measure() -> None:
        began = time.process_time()
        for direction in directions:
            edit = edit_of("add", direction.expand(len(prompt_of), -1), strengths())
            said.append(continued(lm, SITE, prompts, prompt_of, edit, STEPS).tokens)
        spent["batched"] = time.process_time() - began

    benchmark.pedantic(measure, rounds=1, iterations=1)
    same, rows = 0, range(0, len(prompt_of), SAMPLE)
    began = time.process_time()
    with torch.no_grad():
        for row in rows:
            own = alone(lm, prompts, int(prompt_of[row]), directions[0], float(strengths()[row]))
            same += int(torch.equal(own, said[0][row][: len(own)]))
    spent["alone"] = (time.process_time() - began) / len(rows) * len(prompt_of) * METHODS
    torch.set_num_threads(1)
    ratio = spent["alone"] / spent["batched"]
    benchmark.extra_info.update(**spent, ratio=ratio)
    sys.stdout.write(
        f"\n{len(prompt_of) * METHODS} rows of {STEPS} tokens, processor time: batched {spent['batched']:.0f} s with "
        f"loss and KL divergence of every token, one at a time {spent['alone']:.0f} s without: {ratio:.1f} times as "
        f"fast; {same} of {len(rows)} rows say the same\n"
    )
