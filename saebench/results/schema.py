"""The results file: one JSON object for each unit (task x subject x eval_seed), versioned.

Pydantic models are the wire format; `schema.json` beside the package is generated from them. An undefined
number is null with a reason; NaN and infinities never occur.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

SCHEMA_VERSION = 1


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricValue(_Wire):
    """A number with its doubt."""

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    """Lower end of the 95 % interval."""
    high: FiniteFloat | None = None
    n: int = Field(ge=0)
    """Independent clusters behind the value."""
    undefined: str | None = None
    """Why `value`, or the interval beside a defined value, is null."""

    @model_validator(mode="after")
    def _null_has_a_reason(self) -> Self:
        if (self.value is None or self.low is None) and not self.undefined:
            raise ValueError("a null value or interval needs a reason in 'undefined'")
        return self


class SubjectRecord(_Wire):
    """What was scored."""

    spec: str
    name: str
    kind: Literal["dictionary", "concept", "set", "pair", "recipe"]
    role: Literal["oracle", "identity", "mean", "random", "permuted"] | None = None
    fingerprint: str
    architecture: str
    d_in: int | None = None
    d_dict: int | None = None
    traits: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    """`Provenance.to_json()` with the document list replaced by its length and digest."""


class ModelRecord(_Wire):
    """The language model."""

    name: str
    weights_hash: str
    tokenizer_hash: str
    compute_dtype: str
    store_dtype: str


class DataRecord(_Wire):
    """One part of the data of a suite."""

    part: str
    name: str
    fingerprint: str
    licence: str
    documents: int
    """Texts, facts or documents."""
    tokens: int | None = None
    """Unmasked tokens; None where a task reads texts of its own and does not count them."""
    packing: dict[str, Any]
    mask_rule: str


class Identity(_Wire):
    """The parts that `id` is the hash of; nothing else is identity."""

    subject: str
    task: str
    metrics: str
    """Fingerprint of the card's metric definitions."""
    params: dict[str, Any]
    data: dict[str, str]
    """Data part to fingerprint."""
    site: str | None
    packing: dict[str, Any]
    mask_rule: str | None
    tokenizer: str | None
    lm: str | None
    eval_seed: int
    dtype: str
    batch_size: int | None = None
    """Only where the card says that it matters."""


class ItemsRecord(_Wire):
    """The per-item file beside the result."""

    file: str
    sha256: str
    rows: int
    tables: dict[str, int]
    """Table name to number of items."""


class ProvenanceRecord(_Wire):
    """How the number was made. Never identity."""

    saebench: str
    torch: str
    transformers: str
    python: str
    platform: str
    device: str
    threads: int
    batch_size: int
    executor: str
    started: str
    """UTC, ISO 8601."""
    finished: str


class SubmissionRecord(_Wire):
    """The submission that a result was sent in with, and what stands behind its numbers."""

    name: str
    status: Literal["self-reported", "reproduced"]
    """`reproduced`: a run here of the same unit agrees, and its numbers are the ones that are kept."""


class ResultRecord(_Wire):
    """One result."""

    schema_version: int = SCHEMA_VERSION
    id: str
    task: str
    suite: str
    subject: SubjectRecord
    site: str | None
    model: ModelRecord | None
    data: list[DataRecord]
    identity: Identity
    eval_seed: int
    metrics: dict[str, MetricValue]
    details: dict[str, Any] = Field(default_factory=dict)
    cost: dict[str, FiniteFloat] = Field(default_factory=dict)
    items: ItemsRecord | None
    provenance: ProvenanceRecord
    submission: SubmissionRecord | None = None
    """None: scored here."""
