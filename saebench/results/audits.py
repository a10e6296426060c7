"""How far each metric of a task can be trusted: the file that an audit writes, and where readers find it.

`saebench audit` writes `RESULTS/audits/TASK.json`; those of the tasks that ship with saebench lie under
`suites/audits`. Readers take the first that they find, and one of an older metric definition does not count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from saebench.errors import ResultsError
from saebench.packaged_files import packaged
from saebench.results.atomic import write_bytes
from saebench.stats.quantity import Quantity

FOLDER = "audits"
Verdict = Literal["sound", "weak", "unfit", "not measured"]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Measured(_Wire):
    """A number of an audit with its doubt, or the reason why it could not be had."""

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    """Lower end of the 95 % interval, where there is one."""
    high: FiniteFloat | None = None
    n: int = Field(default=0, ge=0)
    """What it was measured over: see the field that holds it."""
    undefined: str | None = None

    @model_validator(mode="after")
    def _null_has_a_reason(self) -> Self:
        if self.value is None and not self.undefined:
            raise ValueError("a null value needs a reason in 'undefined'")
        return self

    @classmethod
    def of(cls, quantity: Quantity) -> Self:
        """As the statistics hand it over."""
        return cls(
            value=quantity.value, low=quantity.low, high=quantity.high, n=quantity.n, undefined=quantity.undefined
        )


class OrderCheck(_Wire):
    """One expectation of the card: of two roles, which stands above on this metric."""

    better: str
    worse: str
    held: bool | None
    """Every subject of `better` beats every one of `worse` by the mean over seeds; null where a role is absent."""
    better_mean: FiniteFloat | None
    worse_mean: FiniteFloat | None


class MetricAudit(_Wire):
    """The reliability of one metric."""

    metric: str
    reseed_sd: Measured
    """Standard deviation over evaluation seeds of one trained subject, pooled; n: degrees of freedom."""
    cv: Measured
    """reseed_sd / |mean over subjects and seeds|; n as there."""
    smallest_reliable: Measured
    """2.77 reseed_sd: two scores from two seeds that differ by less may be one score; n as there."""
    smallest_reliable_paired: Measured
    """1.96 standard deviations over seeds of the difference of two trained subjects: for scores of one seed."""
    snr: Measured
    """Spread of the trained subjects' true scores over the noise that they do not share; n: trained subjects."""
    separated: Measured
    """Share of pairs of trained subjects whose mean difference exceeds smallest_reliable_paired; n: pairs."""
    trend: Measured
    """Share of pairs that differ in training length alone in which the longer one is better; n: pairs without a tie."""
    validity_f1: Measured
    """Spearman correlation of the metric, turned round where lower is better, with ground-truth F1 (over features) on a
    synthetic world; n: subjects of the sweep."""
    validity_mcc: Measured
    """The same with ground-truth MCC."""
    order: tuple[OrderCheck, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    """What the verdict rests on."""


class AuditSettings(_Wire):
    """What an audit was made with."""

    suite: str
    lm: str
    site: str | None
    params: dict[str, object]
    """Parameters of the task in the suite."""
    eval_seeds: tuple[int, ...]
    subjects: tuple[str, ...]
    """Names in the order of the plan, controls included."""
    world: str
    """Synthetic world of the validity sweep."""
    sweep: tuple[str, ...]
    """Subjects of that sweep; empty where the task cannot run there."""
    budget: str
    """Where it is less than the task's defaults ask for, and why."""
    saebench: str
    finished: str


class AuditRecord(_Wire):
    """The audit of one task."""

    schema_version: Literal[1] = 1
    task: str
    metrics_fingerprint: str
    """Of the card's metric definitions: other definitions, another audit."""
    settings: AuditSettings
    metrics: tuple[MetricAudit, ...]

    def metric(self, name: str) -> MetricAudit | None:
        """The audit of one metric, where it has one."""
        return next((one for one in self.metrics if one.metric == name), None)


class _Card(Protocol):
    @property
    def name(self) -> str: ...
    def fingerprint(self) -> str: ...


def audit_of(card: _Card, results: Path | None = None) -> AuditRecord | None:
    """The audit of a task's present metric definitions: the results folder's own, else the packaged one.

    Raises:
        ResultsError: the file is no audit.
    """
    folders = [*([results / FOLDER] if results else []), packaged("suites") / FOLDER]
    for folder in folders:
        file = folder / f"{card.name}.json"
        if file.is_file():
            record = read_audit(file)
            if record.metrics_fingerprint == card.fingerprint():
                return record
    return None


def read_audit(file: Path) -> AuditRecord:
    """The audit in a file.

    Raises:
        ResultsError: it is damaged, or of another schema.
    """
    try:
        return AuditRecord.model_validate_json(file.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        raise ResultsError(
            f"no audit: {fault['msg']}",
            file=file,
            field=".".join(str(part) for part in fault["loc"]),
            remedy="run 'saebench audit' again",
        ) from error


def write_audit(record: AuditRecord, results: Path) -> Path:
    """Write an audit where readers of a results folder find it."""
    file = results / FOLDER / f"{record.task}.json"
    write_bytes(file, record.model_dump_json(indent=1).encode() + b"\n")
    return file
