"""What a world is: numbers that decide every sample, and the presets that have a name.

`synth16k` follows SynthSAEBench-16k (arXiv 2602.14687): its generator settings, not its random numbers.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from saebench.errors import UsageError
from saebench.registry import Registry

PREFIX = "synthetic:"
"""What the name of a world begins with wherever a language model or a corpus is named."""

DOCUMENT = 64
"""Samples in a document of a world's corpus."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Zipf(_Frozen):
    """Nominal firing probability of the feature of rank r: r^-exponent, stretched to [lowest, highest]."""

    exponent: float = Field(default=0.5, gt=0)
    highest: float = Field(default=0.3, gt=0, lt=1)
    lowest: float = Field(default=0.002, gt=0, lt=1)


class Hierarchy(_Frozen):
    """A forest over the first features: each has its parent's firing as a condition."""

    roots: PositiveInt
    branching: PositiveInt
    depth: PositiveInt
    """Levels below a root."""
    exclusive: bool = True
    """At most one child of a parent is on."""
    scaled: bool = True
    """A child's magnitude is multiplied by its parent's, as a share of the parent's mean."""
    compensated: bool = True
    """Candidates are made more frequent, so that features fire as often as their nominal probability says wherever
    parents fire often enough for that."""
    layout: Literal["by_level", "by_family"] = "by_level"
    """Which ranks of frequency trees have. by_level: roots come first, then all first children, all second ones and so
    on, level by level, with features outside the trees evenly between them. by_family (SynthSAEBench): level by level
    too, siblings side by side, and what is outside the trees comes last."""

    @property
    def tree(self) -> int:
        """Features of one tree."""
        return int(sum(self.branching**level for level in range(self.depth + 1)))


class Magnitudes(_Frozen):
    """A feature that is on has magnitude relu(mean + sd z), z normal; the mean falls linearly with the rank."""

    mean_first: float = 5.0
    mean_last: float = 4.0
    sd_mean: float = 0.5
    """The sd of each feature is |n|, n normal with this mean."""
    sd_sd: float = 0.5
    """And this sd."""


class Preset(_Frozen):
    """A world. Equal contents are equal worlds, bit for bit, whatever they are called."""

    name: str
    about: str = ""
    features: int = Field(ge=1)
    width: int = Field(ge=1)
    """Dimensions of the activations."""
    documents: PositiveInt = 1024
    """Documents of 64 samples in its corpus. Sample numbers beyond them exist as well, and are in no corpus."""
    firing: Zipf = Zipf()
    correlation_rank: int = Field(default=0, ge=0)
    """Common factors of the Gaussian copula behind firing; 0: features fire independently of each other, but for the
    hierarchy."""
    correlation_scale: float = Field(default=0.1, ge=0)
    """Sd of a feature's loading on a common factor."""
    hierarchy: Hierarchy | None = None
    magnitudes: Magnitudes = Magnitudes()
    orthogonal_steps: int = Field(default=100, ge=0)
    """Gradient steps that push the directions apart."""
    bias: float = Field(default=0.5, ge=0)
    """Length of the constant part of every activation."""
    seed: int = Field(default=0, ge=0)

    @property
    def samples(self) -> int:
        """Samples of the corpus; those from this number on are in no training data."""
        return self.documents * DOCUMENT

    @property
    def reference(self) -> str:
        """How it is named: "synthetic:tiny", with its seed where that is not the preset's."""
        usual = PRESETS.get(self.name).seed if self.name in PRESETS else 0
        return f"{PREFIX}{self.name}" + ("" if self.seed == usual else f"?seed={self.seed}")

    def content(self) -> dict[str, Any]:
        """What decides a sample: everything but the names and the size of the corpus."""
        return self.model_dump(mode="json", exclude={"name", "about", "documents"})


PRESETS: Registry[Preset] = Registry("synthetic world", remedy="'saebench ls lms' lists them.")

for _preset in (
    Preset(
        name="tiny",
        about="48 features in 24 dimensions, four trees; for tests and first looks, trained on in seconds",
        features=48,
        width=24,
        documents=2048,
        firing=Zipf(exponent=0.5, highest=0.3, lowest=0.01),
        correlation_rank=4,
        hierarchy=Hierarchy(roots=4, branching=2, depth=2),
    ),
    Preset(
        name="small",
        about="512 features in 128 dimensions, 24 trees; a dictionary is trained on it in minutes",
        features=512,
        width=128,
        documents=16_384,
        firing=Zipf(exponent=0.6, highest=0.4, lowest=0.004),
        correlation_rank=8,
        hierarchy=Hierarchy(roots=24, branching=3, depth=2),
    ),
    Preset(
        name="medium",
        about="4,096 features in 256 dimensions, 64 trees",
        features=4096,
        width=256,
        documents=65_536,
        firing=Zipf(exponent=0.6, highest=0.3, lowest=0.001),
        correlation_rank=16,
        hierarchy=Hierarchy(roots=64, branching=4, depth=2),
    ),
    Preset(
        name="synth16k",
        about="16,384 features in 768 dimensions, 128 trees: the settings of SynthSAEBench-16k (arXiv 2602.14687)",
        features=16_384,
        width=768,
        documents=262_144,
        firing=Zipf(exponent=0.5, highest=0.4, lowest=5e-4),
        correlation_rank=25,
        hierarchy=Hierarchy(roots=128, branching=4, depth=3, layout="by_family"),
        seed=42,
    ),
):
    PRESETS.add(_preset.name, _preset)


def is_synthetic(name: str) -> bool:
    """Whether a name of a language model or corpus means a world."""
    return name.startswith(PREFIX)


def preset(name: str) -> Preset:
    """The preset of "synthetic:NAME" or "synthetic:NAME?seed=1".

    Raises:
        UnknownName: no such preset; with near misses.
        UsageError: another setting than a seed, or a seed that is no whole number.
    """
    body, _, query = name.removeprefix(PREFIX).partition("?")
    found = PRESETS.get(body)
    if not query:
        return found
    key, _, value = query.partition("=")
    if key != "seed":
        raise UsageError(f"'{name}': a synthetic world has no setting '{key}' (it has: seed)")
    if not value.isdecimal():
        raise UsageError(f"'{name}': seed must be a whole number, not '{value}'")
    return found.model_copy(update={"seed": int(value)})
