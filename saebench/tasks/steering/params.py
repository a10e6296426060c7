"""What a suite may set for `steering@1`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from saebench.judges import JudgeName
from saebench.tasks.contract import Params
from saebench.tasks.steering.detectors import Kind
from saebench.tasks.steering.interventions import Mode

DEFAULT_CONCEPTS = (
    "97_news_class: Sport",
    "21_headline_istrump",
    "96_spam_is",
    "160_code_HTML",
    "123_world_country_United_Kingdom",
)
DEFAULT_FACTORS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)


class SteeringParams(Params):
    """All of it is identity."""

    concepts: tuple[str, ...] = Field(default=DEFAULT_CONCEPTS, min_length=1)
    """Packaged labelled sets, `SET: CLASS`, `mention:KIND`, paths of users' YAML files, or `axbench:FOLDER`."""
    train_rows: int = Field(default=128, ge=8)
    """At most so many texts that methods are fitted on, both classes together."""
    detector_rows: int = Field(default=240, ge=12)
    """At most so many texts that the detector is fitted and judged on, both classes together; no method sees them."""
    context: int = Field(default=64, ge=2)
    """Tokens of a training text that methods read, begin-of-text token included."""
    instructions: str = "open"
    """What the model is asked: the packaged list, or a text file, one instruction a line."""
    prompts: int = Field(default=10, ge=2)
    """Instructions of a concept; the first half chooses factors, the others are reported."""
    factors: tuple[PositiveFloat, ...] = Field(default=DEFAULT_FACTORS, min_length=1)
    """Strengths in units of `unit`; in mode complement shares of what is taken away, at most 1."""
    unit: Literal["length", "reach"] = "length"
    """length: the mean length of activations of positive training texts, so that every subject gets the same strengths.
    reach: the largest reach of their tokens along the subject's direction (AxBench)."""
    new_tokens: int = Field(default=32, ge=4)
    """Longest continuation."""
    mode: Mode = "add"
    """add the direction; clamp the component along it; or take away the complement of that component."""
    latent: Literal["auroc", "output", "effect"] = "auroc"
    """How a dictionary steers. auroc: with the atom of the latent of the best training AUROC. output: of the ten best
    ones, that of the best output score. effect: with the direction that raises the best latent (SAE-TS)."""
    effect_directions: int = Field(default=64, ge=8)
    """Directions whose effects are measured for that."""
    detector: Kind = "probe"
    """Who tells the concept in a text: a probe of mean activations at `reader`, or a bag of words."""
    reader: str = ""
    """Site at which the plain model's activations stand for a text; default: the residual stream midway between the
    steered site and the last block."""
    least_auroc: float = Field(default=0.8, ge=0.5, le=1)
    """A concept whose detector tells held-out texts apart worse than this is not counted."""
    judge: JudgeName = ""
    """Who rates the reported texts besides, after AxBench's rubric: openai:URL#MODEL?key=VARIABLE, hf:NAME or
    replay:FILE (`saebench.judges.spec`). It chooses no factor."""
    side_effect: str = ""
    """Questions that are answered at the chosen factor: a packaged set, or a multiple-choice task of lm-eval."""
    side_limit: PositiveInt = 200
    """At most so many of them."""
