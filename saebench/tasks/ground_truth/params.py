"""What a suite may set for `ground_truth@1`."""

from __future__ import annotations

from pydantic import Field

from saebench.tasks.contract import Params


class TruthParams(Params):
    """What a suite may set."""

    covered: float = Field(default=0.7, gt=0, lt=1)
    """|cosine| with a true direction from which a latent counts as having found it."""
    least: int = Field(default=10, ge=2)
    """Detection of a feature is scored where it is on in at least so many evaluated samples; probing where it is in
    half as many of either half of the documents, absorption where parent and child are on in as many."""
    carried: float = Field(default=0.4, gt=0, le=1)
    """A child's latent has absorbed the parent in a sample where it adds this share of the parent's magnitude."""
    hedging_steps: int = Field(default=200, ge=0)
    """Steps of 1,024 samples of the suite's fit part for which a dictionary is trained on, twice, for its hedging rate;
    0: not at all. The rate is a length that grows with them: compare dictionaries at one number of steps."""
    hedging_latents: int | None = Field(default=None, ge=1)
    """New latents beside the old ones in one of the two trainings. None: 64 as published, or an eighth of the site's
    dimensions where that is less."""
