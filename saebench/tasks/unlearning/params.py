"""What a suite may set for `unlearning@1`."""

from __future__ import annotations

from pydantic import Field

from saebench.tasks.contract import Params


class UnlearningParams(Params):
    """What a suite may set."""

    forget: tuple[str, ...] = Field(default=("saebench_biology",), min_length=1)
    """Question sets of the topic: packaged, or multiple-choice tasks of lm-eval (`wmdp_bio`, which needs the hub)."""
    retain: tuple[str, ...] = Field(default=("saebench_physical", "saebench_capitals"), min_length=1)
    """Question sets that must stay answered."""
    prose: str = "news"
    """Corpus of ordinary text: part of what must stay, on which latents of the topic do not fire."""
    questions: int = Field(default=200, ge=8)
    """At most so many are asked about the topic, and as many about the rest; the others give the corpora."""
    context: int = Field(default=64, ge=4)
    """Longest question in tokens, begin-of-text token included; longer ones are not asked."""
    texts: int = Field(default=128, ge=4)
    """At most so many texts of the topic, of the retained questions and of prose, for the choice of latents."""
    text_context: int = Field(default=128, ge=8)
    """Tokens of a text that are read, begin-of-text token included."""
    prose_documents: int = Field(default=16, ge=1)
    """Held-out documents on which the loss of prose is measured."""
    latents: tuple[int, ...] = Field(default=(8, 64), min_length=1)
    """Numbers of latents that are edited."""
    clamps: tuple[float, ...] = Field(default=(0.0, 4.0), min_length=1)
    """What an active latent is set to: minus so many times its mean active value on the topic's texts; 0 ablates it."""
    ratios: tuple[float, ...] = Field(default=(2.0, 4.0), min_length=1)
    """A latent of the topic is active at least so many times as often on its texts as on either kind of other text."""
    strengths: tuple[float, ...] = Field(default=(0.5, 1.0, 2.0, 4.0), min_length=1)
    """For concept methods: how many times the part along the direction is taken out; 1 projects it out."""
    steps: tuple[int, ...] = Field(default=(4, 8, 16), min_length=1)
    """Training steps after which the model of the reference (gradient ascent) is asked."""
    rate: float = Field(default=1e-5, gt=0)
    """Learning rate of that training."""
    least_known: int = Field(default=10, ge=2)
    """Questions on either side and half that the model must answer right, or nothing is scored."""
