"""Made-up tasks whose item scores are given as arrays, with their audits: differences are known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from result_examples import CARD as EXAMPLE
from result_examples import record_of
from test_audits import audit

from saebench.results.audits import Measured, write_audit
from saebench.results.identity import result_id
from saebench.results.items import ItemTable
from saebench.results.schema import SubjectRecord
from saebench.tasks.contract import Card, Metric, Scores
from saebench.tasks.summary import summarise

METRICS = (
    Metric("score", "mean of good", {"good": 1}, {"1": 1}, "documents", direction="up"),
    Metric("loss", "one minus score", {"good": 1}, {"1": 1}, "documents", True, direction="down"),
    Metric("l0", "mean of active", {"active": 1}, {"1": 1}, "documents"),
    Metric("own", "mean over latents", {"width": 1}, {"1": 1}, "latents", direction="up"),
)


def card(id: str = "one", headline: tuple[str, ...] = ("score", "l0"), **changes) -> Card:
    """A task; "own" is the metric over items that subjects do not share."""
    made = replace(EXAMPLE, id=id, metrics=METRICS, headline=headline, paired_by={"documents": "document"})
    return replace(made, **changes)


def audited(store, task: Card, verdict: str = "sound", smallest: float = 0.01) -> None:
    """An audit of all metrics of the task beside the results."""
    made = audit(verdict, task.fingerprint())
    limit = Measured(value=smallest, n=8)
    metrics = tuple(
        made.metrics[0].model_copy(update={"metric": metric.name, "smallest_reliable": limit})
        for metric in task.metrics
    )
    write_audit(made.model_copy(update={"task": task.name, "metrics": metrics}), store.root)


def write(
    store,
    task: Card,
    name: str,
    good: np.ndarray,
    *,
    l0: float | None = 32.0,
    role: str | None = None,
    kind: str = "dictionary",
    architecture: str = "topk",
    documents: str = "doc",
    ratio: float = 0.5,
    eval_seed: int = 0,
):
    """One result of a subject whose documents have these scores."""
    names = tuple(f"{documents}{place:03}" for place in range(len(good)))
    latents = tuple(f"latent{place}" for place in range(len(good)))
    active = {} if l0 is None else {"active": np.full(len(good), l0)}
    tables = {
        "documents": ItemTable(names, names, {"good": np.asarray(good, dtype=float), **active}),
        "latents": ItemTable(latents, latents, {"width": np.asarray(good, dtype=float)}),
    }
    metrics = tuple(metric for metric in task.metrics if l0 is not None or metric.name != "l0")
    scores = Scores(tables)
    example = record_of(name, scores_for_example(), ratio=ratio, eval_seed=eval_seed)
    identity = example.identity.model_copy(update={"task": task.name, "metrics": task.fingerprint()})
    subject = SubjectRecord(
        spec=f"./{name}",
        name=name,
        kind=kind,
        role=role,
        fingerprint=identity.subject,
        architecture=architecture,
        d_in=16,
        d_dict=64,
    )
    record = example.model_copy(
        update={
            "id": result_id(identity),
            "task": task.name,
            "identity": identity,
            "subject": subject,
            "metrics": summarise(replace(task, metrics=metrics), scores),
        }
    )
    return store.write(record, tables)


def scores_for_example() -> Scores:
    """What `record_of` asks for and `write` replaces."""
    items = ("a",)
    columns = {"good": np.ones(1), "tokens": np.ones(1)}
    return Scores(
        {
            "documents": ItemTable(items, items, columns),
            "latents": ItemTable(items, items, {"width": np.ones(1)}),
        }
    )
