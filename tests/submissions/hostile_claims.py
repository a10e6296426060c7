"""Bundles that parse and lie: each changes the sound bundle as a forger would, manifest and hashes included.

Name to (how, what the refusal says). `ID` stands for the own result's id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from toy_bundle import (
    NAME,
    SUBJECTS,
    TASK,
    Files,
    identified,
    own_result,
    signed,
    sound_files,
    with_items,
    with_record,
)

from saebench.submissions.item_lines import from_lines
from saebench.tasks.contract import Scores
from saebench.tasks.summary import summarise

Forge = Callable[[Files], Files]


def record(change: Callable[[dict[str, Any]], None], *, rename: bool = True) -> Forge:
    return lambda files: with_record(files, change, rename=rename)


def metric(name: str, **fields: Any) -> Forge:
    return record(lambda one: one["metrics"][name].update(fields))


def identity(**fields: Any) -> Forge:
    """A changed identity under the id that follows from it."""

    def change(one: dict[str, Any]) -> None:
        one["identity"].update(fields)
        identified(one)

    return record(change)


def both(change: Callable[[dict[str, Any]], None]) -> Forge:
    """A change of the record and its identity under the id that follows."""

    def whole(one: dict[str, Any]) -> None:
        change(one)
        identified(one)

    return record(whole)


def subject(**fields: Any) -> Forge:
    return record(lambda one: one["subject"].update(fields))


def consistent(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Forge:
    """Changed items, and every aggregate made again from them: no arithmetic gives it away."""

    def forge(files: Files) -> Files:
        changed = items(change)(files)
        tables = from_lines(changed[f"items/{own_result(changed)}.jsonl"], "items")
        metrics = {name: value.model_dump() for name, value in summarise(TASK, Scores(tables)).items()}
        return with_record(changed, lambda one: one.update(metrics=metrics))

    return forge


def items(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Forge:
    """Changed lines of the own items; the first line is left alone."""

    def lines(data: bytes) -> bytes:
        head, *rest = data.splitlines()
        changed = [json.dumps(row).encode() for row in change([json.loads(row) for row in rest])]
        return b"\n".join([head, *changed]) + b"\n"

    return lambda files: with_items(files, lines)


def score(row: dict[str, Any], factor: float) -> dict[str, Any]:
    return {**row, "scores": [factor * score for score in row["scores"]]}


def without(prefix: str) -> Forge:
    return lambda files: signed({path: content for path, content in files.items() if not path.startswith(prefix)})


def renamed_item(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**rows[0], "item": "0" * 16, "cluster": "0" * 16}, *rows[1:]]


def one_cluster(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "cluster": "all"} for row in rows]


def card(old: bytes, new: bytes) -> Forge:
    return lambda files: signed({**files, "submission.yaml": files["submission.yaml"].replace(old, new)})


def suite(old: bytes, new: bytes) -> Forge:
    return lambda files: signed({**files, "suite.yaml": files["suite.yaml"].replace(old, new)})


def two_subjects(files: Files) -> Files:
    return sound_files((*SUBJECTS, ("your-sae", "submission:your-sae", None, 0.9, 7)))


def control_alone(files: Files) -> Files:
    return sound_files(((NAME, "control:identity", "identity", 0.0, 2),))


def without_controls(files: Files) -> Files:
    return sound_files(SUBJECTS[:1])


def baseline_alone(files: Files) -> Files:
    return sound_files((SUBJECTS[0], SUBJECTS[2]))


def edited_after(files: Files) -> Files:
    path = f"results/{own_result(files)}.json"
    return {**files, path: files[path].replace(b'"topk"', b'"best"')}


def items_of_another(files: Files) -> Files:
    own = own_result(files)
    other = next(path for path in files if path.startswith("items/") and own not in path)
    return with_items(files, lambda _: files[other])


def partners(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "partner": "x"} for row in rows]


CLAIMS: dict[str, tuple[Forge, str]] = {
    "a better value": (metric("loss_recovered", value=0.999), "metrics.loss_recovered.value: 0.999 does not follow"),
    "a slightly better value": (metric("l0", value=31.0), "metrics.l0.value: 31.0 does not follow"),
    "a narrower interval": (metric("fvu", low=0.39, high=0.4), "metrics.fvu"),
    "no interval": (metric("kl", low=None, high=None, undefined="secret"), "metrics.kl.low: None does not follow"),
    "more documents than there are": (metric("l0", n=1000), "metrics.l0.n: 1000 clusters; the items have 12"),
    "a reason of one's own": (metric("l0", undefined="best in class"), "metrics.l0.undefined: the reason does not"),
    "a null without a reason": (metric("l0", value=None, low=None, high=None), "needs a reason in 'undefined'"),
    "a metric of one's own": (
        record(lambda one: one["metrics"].update(elo={"value": 1.0, "low": 1.0, "high": 1.0, "n": 1})),
        "metrics.elo: is no metric of reconstruction@1",
    ),
    "a metric left out": (record(lambda one: one["metrics"].pop("kl")), "metrics.kl: is missing"),
    "all metrics left out": (record(lambda one: one["metrics"].clear()), "is missing"),
    "a value as text": (metric("l0", value="high"), "metrics.l0.value: Input should be a valid number"),
    "better items": (items(lambda rows: [score(row, 1.1) for row in rows]), "does not follow from the items"),
    "the worst items left out": (items(lambda rows: rows[2:]), "items.tables: are not the tables"),
    "other documents": (consistent(renamed_item), "documents.item: other items or clusters than other subjects have"),
    "documents in other clusters": (
        consistent(lambda rows: [{**rows[0], "cluster": rows[1]["cluster"]}, *rows[1:]]),
        "documents.item: other items or clusters than other subjects have",
    ),
    "one cluster": (items(one_cluster), "does not follow from the items"),
    "the items of the identity control": (items_of_another, "does not follow from the items"),
    "items as pairs": (items(partners), "does not follow from the items"),
    "a table left out": (
        lambda files: with_items(files, lambda _: b'{"tables": {}}\n'),
        "the items of loss_recovered are not there: table 'documents' with ce_clean, ce_spliced, ce_zero",
    ),
    "an id of one's own": (record(lambda one: one.update(id="f" * 32)), "id: the id is not the hash of the identity"),
    "an id that is no file name": (
        record(lambda one: one.update(id="../../CANARY"), rename=False),
        "id: the file is not called by the result's id",
    ),
    "the id of another file": (record(lambda one: one.update(id="f" * 32), rename=False), "the file is not called by"),
    "another eval_seed": (identity(eval_seed=9), "the suite has no such eval_seed"),
    "another seed beside the identity": (record(lambda one: one.update(eval_seed=9)), "identity.eval_seed: '"),
    "other data": (identity(data={"eval": "e" * 32}), "identity.data: '"),
    "another tokenizer": (identity(tokenizer="e" * 32), "identity.tokenizer: '"),
    "another site": (identity(site="blocks.7.hook_resid_post"), "identity.site: '"),
    "another packing": (identity(packing={"context": 9}), "identity.packing: '"),
    "another mask": (identity(mask_rule="all of them"), "identity.mask_rule: '"),
    "another dtype": (identity(dtype="bfloat16/bfloat16"), "identity.dtype: '"),
    "another subject": (identity(subject="e" * 32), "identity.subject: '"),
    "another task inside": (identity(task="absorption@1"), "identity.task: '"),
    "a parameter that is none": (identity(params={"easy": True}), "identity.params.easy: Extra inputs"),
    "older metric definitions": (identity(metrics="e" * 32), "other metric definitions than those of reconstruction@1"),
    "a task that does not exist": (
        both(lambda one: (one.update(task="victory@1"), one["identity"].update(task="victory@1"))),  # type: ignore[func-returns-value]
        "task: there is no task 'victory@1'",
    ),
    "a task of the newest version": (record(lambda one: one.update(task="reconstruction@99")), "there is no task"),
    "a task that is a module": (record(lambda one: one.update(task="os:system")), "there is no task 'os:system'"),
    "another suite": (record(lambda one: one.update(suite="quick-v1")), "suite: '"),
    "a suite without this task": (
        suite(b"reconstruction@1", b"absorption@1"),
        "the suite has no such task with such parameters",
    ),
    "a suite of two tasks": (
        suite(b"reconstruction@1\n", b"reconstruction@1\n  - task: absorption@1\n"),
        "suite toy-v1 asks for absorption@1 at eval_seed 0, which is not there",
    ),
    "a suite of five seeds": (suite(b"controls:", b"eval_seeds: [0, 1]\ncontrols:"), "eval_seed 1, which is not there"),
    "a suite in another dtype": (suite(b"lm: tiny", b"lm: tiny\ndtype: bfloat16"), "the suite is computed in bfloat16"),
    "reproduced by itself": (
        record(lambda one: one.update(submission={"name": NAME, "status": "reproduced"})),
        "submission: '",
    ),
    "a control as a submission": (control_alone, "a control is no submission"),
    "a submission called a control": (subject(role="oracle"), "a control is no submission"),
    "a specification of a control": (subject(spec="control:identity"), "a control is no submission"),
    **{
        f"a control {name}": (suite(b'"control:identity"', text), "suite.yaml: controls")
        for name, text in {
            "of no kind": b'"foo:bar"',
            "without a name": b'"control:"',
            "with a name too long for a file": b'"/' + b"x" * 4000 + b'"',
            "that is a path": b'"/etc/passwd"',
        }.items()
    },
    "no controls": (without_controls, "no control of the suite stands beside this result"),
    "a baseline and no control": (baseline_alone, "no control of the suite stands beside this result"),
    "a second subject": (two_subjects, "neither the subject nor a control or baseline"),
    "a card of another subject": (
        lambda files: signed({**files, "submission.yaml": b"\n".join(
            b"subject: " + b"e" * 32 if line.startswith(b"subject:") else line
            for line in files["submission.yaml"].splitlines()
        )}),
        "submission.yaml: subject: no result is of this subject",
    ),
    "another name than the card's": (subject(name="the-best"), "subject.name: the subject has another name"),
    "a set": (subject(kind="set"), "subject.kind: reconstruction@1 takes no set"),
    "a kind that does not exist": (subject(kind="oracle"), "subject.kind: Input should be"),
    "a name of two lines": (subject(name="a\nb"), "subject.name: must be a printable line"),
    "a name without end": (subject(name="x" * 5000), "subject.name: must be a printable line of at most 300"),
    "a text without end": (subject(architecture="x" * 25000), "a text of more than 20,000 characters"),
    "a seed that is an object": (subject(provenance={"train_seed": {"a": 1}}), "train_seed: must be a whole number"),
    "a seed that is a text": (subject(provenance={"train_seed": "0"}), "train_seed: must be a whole number"),
    "a negative width": (subject(d_dict=-1), "subject.d_dict: must be positive"),
    "a width beyond all numbers": (subject(d_dict=10**30), "subject.d_dict: a number beyond 1e+18"),
    "items elsewhere": (
        record(lambda one: one["items"].update(file="../../CANARY")),
        "items.file: must name the file of per-item scores",
    ),
    "items of another hash": (
        record(lambda one: one["items"].update(sha256="0" * 64)),
        "items.sha256: is not the hash of the file",
    ),
    "no items": (record(lambda one: one.update(items=None)), "items.file: must name the file of per-item scores"),
    "more rows than there are": (record(lambda one: one["items"].update(rows=10**6)), "items.tables: are not the"),
    "a formula": (subject(architecture="=HYPERLINK(1)"), "subject.architecture: must not begin with ="),
    "a date beyond all dates": (
        record(lambda one: one["provenance"].update(finished="9999-99-99T00:00:00+00:00")),
        "provenance.finished: must be a time in UTC",
    ),
    "a date that sorts last": (
        record(lambda one: one["provenance"].update(finished="zzzz")),
        "provenance.finished: must be a time in UTC",
    ),
    "a field of one's own": (record(lambda one: one.update(rank=1)), "rank: Extra inputs are not permitted"),
    "no provenance": (record(lambda one: one.pop("provenance")), "provenance: Field required"),
    "changed after the manifest": (edited_after, "is not the file that the manifest names: it was changed"),
    "no results": (without("results/"), "results: holds no result"),
    "no items files": (without("items/"), "the per-item scores of this result are missing"),
    "no suite": (without("suite.yaml"), "suite.yaml: is missing"),
    "no card": (without("submission.yaml"), "submission.yaml: is missing"),
    "items of nothing": (
        lambda files: signed({**files, f"items/{'e' * 32}.jsonl": b'{"tables": {}}\n'}),
        "per-item scores of a result that is not there",
    ),
    "a result twice": (
        lambda files: signed({
            **files,
            f"results/{'e' * 32}.json": files[f"results/{own_result(files)}.json"],
            f"items/{'e' * 32}.jsonl": files[f"items/{own_result(files)}.jsonl"],
        }),
        f"results/{'e' * 32}.json: id: the file is not called by the result's id",
    ),
}  # fmt: skip
