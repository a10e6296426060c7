"""What a suite may set for `autointerp@1`, and what it may not."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saebench.judges import JudgeName
from saebench.tasks.contract import Params

SHOWN_TOP, SHOWN_WEIGHTED = 10, 5
"""Windows that an explanation is made from, where the latent fires in so many."""
HELD_TOP, HELD_WEIGHTED, HELD_INACTIVE = 2, 2, 10
"""Windows that it is tested on."""
HELD = HELD_TOP + HELD_WEIGHTED + HELD_INACTIVE
LEAST_SHOWN = 5
"""A latent that leaves fewer windows for its explanation is not tested."""
CANDIDATES = 16
"""Latents that are looked at for each one that is wanted."""


class AutointerpParams(Params):
    """All of it is identity; of the judge, who it is."""

    judge: JudgeName = Field(default="", validate_default=True)
    """Who explains and scores: openai:URL#MODEL?key=VARIABLE, hf:NAME or replay:FILE (`saebench.judges.spec`). Where it
    is empty, the environment variable SAEBENCH_JUDGE says."""
    prompts: Literal[1] = 1
    """Version of the prompts."""
    latents: int = Field(default=20, ge=1)
    """Latents that are explained, at most."""
    window: int = Field(default=21, ge=4)
    """Tokens of an example."""
