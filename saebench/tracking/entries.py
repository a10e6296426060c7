"""What MLflow is told about a result: names, parameters, metrics and tags, as plain dictionaries.

MLflow's limits are met here: keys of at most 250 characters without `@` and the like, parameter values of at most
6,000 and tag values of at most 8,000 characters, no metric without a finite value.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from saebench.fingerprint import canonical_json, digest
from saebench.results.schema import MetricValue, ResultRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_DIGEST = 36


def key(*parts: str) -> str:
    """Parts of a name, joined by `/`: "reconstruction@1", "l0" become "reconstruction-v1/l0"."""
    safe = [re.sub(r"[^A-Za-z0-9_. -]+", "-", part.replace("@", "-v")).strip(". ") or "_" for part in parts]
    return "/".join(safe)[:LONGEST_KEY]


def experiment_name(record: ResultRecord) -> str:
    """One experiment for a suite and its version: "saebench/quick-v1"."""
    return f"saebench/{record.suite}"


def subject_key(record: ResultRecord) -> str:
    """One run for a subject on one model and site."""
    return digest([record.subject.name, record.subject.fingerprint, record.site, record.identity.lm])


def result_sha256(record: ResultRecord) -> str:
    """Hash of all that the results file says, provenance included."""
    return hashlib.sha256(canonical_json(record.model_dump(mode="json")).encode()).hexdigest()


def subject_params(record: ResultRecord) -> dict[str, str]:
    """Parameters of a subject's run."""
    subject, model = record.subject, record.model
    values = {
        "subject": subject.name,
        "spec": subject.spec,
        "kind": subject.kind,
        "role": subject.role,
        "fingerprint": subject.fingerprint,
        "architecture": subject.architecture,
        "d_in": subject.d_in,
        "d_dict": subject.d_dict,
        "train_seed": subject.provenance.get("train_seed"),
        "site": record.site,
        "lm": model.name if model else None,
        "lm_weights": model.weights_hash if model else None,
    }
    return _texts(values)


def result_params(record: ResultRecord) -> dict[str, str]:
    """Parameters of a result's run: the subject's and all else that is identity."""
    identity = record.identity
    values = {
        "task": record.task,
        "eval_seed": record.eval_seed,
        "dtype": identity.dtype,
        "tokenizer": identity.tokenizer,
        "mask_rule": identity.mask_rule,
        **{f"data/{part}": fingerprint for part, fingerprint in identity.data.items()},
        **{f"param/{name}": value for name, value in identity.params.items()},
    }
    return {**subject_params(record), **_texts(values)}


@dataclass(frozen=True)
class Point:
    """One value of a metric. Its time is when the result was finished, so that it is the same whenever it is sent."""

    name: str
    value: float
    milliseconds: int
    step: int
    """The evaluation seed."""


def points(record: ResultRecord) -> list[Point]:
    """`TASK/METRIC` with `/low`, `/high` and `/n`; what is undefined is left out."""
    values: dict[str, float] = {}
    for name, metric in record.metrics.items():
        for suffix, value in (((), metric.value), (("low",), metric.low), (("high",), metric.high)):
            if value is not None:
                values[key(record.task, name, *suffix)] = value
        values[key(record.task, name, "n")] = float(metric.n)
    return _points(record, values)


def cost_points(record: ResultRecord) -> list[Point]:
    """`cost/NAME`, on the result's own run only."""
    return _points(record, {key("cost", name): value for name, value in record.cost.items()})


def _points(record: ResultRecord, values: Mapping[str, float]) -> list[Point]:
    finished = milliseconds(record.provenance.finished)
    return [Point(name, value, finished, record.eval_seed) for name, value in values.items()]


def result_tags(record: ResultRecord) -> dict[str, str]:
    """Tags of a result's run, without those that mark it as complete."""
    made = record.provenance
    tags = {
        "saebench.kind": "result",
        "saebench.result_id": record.id,
        "saebench.task": record.task,
        "saebench.schema_version": str(record.schema_version),
        "saebench.version": made.saebench,
        "saebench.hardware": f"{made.platform}, {made.device}, {made.threads} threads",
        "mlflow.note.content": note(record),
        "mlflow.source.name": "saebench",
        "mlflow.source.type": "LOCAL",
    }
    undefined = {name: metric.undefined for name, metric in record.metrics.items() if metric.undefined}
    if undefined:
        tags["saebench.undefined"] = "; ".join(f"{name}: {reason}" for name, reason in undefined.items())
    return {name: value[:LONGEST_TAG] for name, value in tags.items()}


def subject_tags(record: ResultRecord) -> dict[str, str]:
    """Tags of a subject's run."""
    return {
        "saebench.kind": "subject",
        "saebench.subject_key": subject_key(record),
        "mlflow.source.name": "saebench",
        "mlflow.source.type": "LOCAL",
    }


def datasets(record: ResultRecord) -> list[DatasetInput]:
    """Lineage without data: name, digest, licence and size of each part."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for part in record.data:
        facts = {"part": part.part, "licence": part.licence, "documents": part.documents, "tokens": part.tokens}
        dataset = Dataset(
            name=part.name,
            digest=part.fingerprint[:LONGEST_DIGEST],
            source_type="code",
            source=json.dumps({"tags": {"saebench.source": part.name}}),
            profile=json.dumps(facts),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", part.part)]))
    return inputs


def note(record: ResultRecord) -> str:
    """A Markdown summary that the run's page shows."""
    head = f"**{record.subject.name}** on `{record.task}`, eval_seed {record.eval_seed}"
    lines = [f"| {name} | {_cell(metric)} | {metric.n} |" for name, metric in record.metrics.items()]
    return "\n".join([head, "", "| metric | value (95 % interval) | n |", "|---|---|---|", *lines])


def _cell(metric: MetricValue) -> str:
    if metric.value is None:
        return f"undefined: {metric.undefined}"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.6g}"
    return f"{metric.value:.6g} ({metric.low:.6g} to {metric.high:.6g})"


def milliseconds(time: str) -> int:
    """ISO 8601 to MLflow's milliseconds."""
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    texts = {name: value if isinstance(value, str) else canonical_json(value) for name, value in values.items()}
    return {key(*name.split("/")): texts[name][:LONGEST_PARAM] for name in texts if values[name] is not None}
