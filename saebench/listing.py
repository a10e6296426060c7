"""What there is, by kind, and all that is known of one thing: behind `saebench ls` and `saebench show`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from saebench.errors import PluginError, UnknownName
from saebench.packaged_files import packaged
from saebench.registry import near_misses

Row = dict[str, Any]

SITES = (
    ("blocks.{l}.hook_resid_pre", "residual stream before block l"),
    ("blocks.{l}.hook_resid_post", "residual stream after block l"),
    ("blocks.{l}.hook_attn_out", "what attention of block l adds to the residual stream"),
    ("blocks.{l}.hook_mlp_out", "what the MLP of block l adds to the residual stream"),
    ("blocks.{l}.mlp.hook_post", "hidden activations of the MLP of block l, after its non-linearity"),
    ("features", "activations of a synthetic world (its only site)"),
)

MEASURED_WHEN_SHOWN = 256
"""Largest number of features of a synthetic world that `show` measures."""


def suites(out: Path) -> list[Row]:
    """Packaged suites."""
    from saebench.run.suite import load_suite, suite_names

    rows = []
    for name in suite_names():
        suite = load_suite(name)
        rows.append(
            {
                "name": name,
                "version": suite.version,
                "tasks": list(dict.fromkeys(entry.task for entry in suite.tasks)),
                "about": suite.about,
            }
        )
    return rows


def panels(out: Path) -> list[Row]:
    """Packaged panels."""
    from saebench.run.panel import load_panel, panel_names

    return [{"name": name, "subjects": load_panel(name)} for name in panel_names()]


def tasks(out: Path) -> list[Row]:
    """Tasks with their versions."""
    from saebench.tasks import TASKS

    rows: list[Row] = []
    for name in TASKS:
        try:
            card = TASKS.get(name).card
        except PluginError as error:
            rows.append({"name": name, "question": str(error), "headline": ""})
        else:
            rows.append({"name": card.name, "question": card.question, "headline": ", ".join(card.headline)})
    return rows


def architectures(out: Path) -> list[Row]:
    """Architectures that can be trained."""
    from saebench.dictionaries import ARCHITECTURES

    return [{"name": name, "about": first_line(ARCHITECTURES.get(name).__doc__)} for name in ARCHITECTURES]


def baselines(out: Path) -> list[Row]:
    """Baselines and controls, one YAML file each, and those of other packages."""
    from saebench.subjects.makers import BASELINES

    rows = [
        {key: row[key] for key in ("name", "role", "method", "applies_to")}
        for row in (yaml.safe_load(file.read_text()) for file in sorted(packaged("baselines").glob("*.yaml")))
    ]
    others = [name for name in BASELINES if name in BASELINES.foreign]
    return rows + [_stranger(name) for name in others]


def _stranger(name: str) -> Row:
    """A baseline that another package adds: what its recipe says of itself."""
    from saebench.subjects.makers import BASELINES

    try:
        about = first_line(BASELINES.get(name).__doc__)
    except PluginError as error:
        about = str(error)
    return {"name": name, "role": None, "method": about, "applies_to": f"see the package {BASELINES.foreign[name]}"}


def lms(out: Path) -> list[Row]:
    """Packaged language models, and synthetic worlds."""
    from saebench.assets.catalogue import ASSETS
    from saebench.lm.synthetic.presets import PRESETS

    assets = [ASSETS.get(name) for name in ASSETS]
    packaged_models = [
        {"name": one.name, "title": one.title, "package": f"{one.package} {one.version}", "licence": one.licence}
        for one in assets
        if one.kind == "lm"
    ]
    worlds = [
        {
            "name": one.reference,
            "title": f"synthetic world: {one.about}",
            "package": "generated",
            "licence": "none needed",
        }
        for one in (PRESETS.get(name) for name in PRESETS)
    ]
    return [*packaged_models, *sorted(worlds, key=lambda row: row["name"])]


def data(out: Path) -> list[Row]:
    """Packaged corpora with their licences."""
    from saebench.data import DATA

    sets = [DATA.get(name) for name in DATA]
    return [{"name": one.name, "title": one.title, "revision": one.revision, "licence": one.licence} for one in sets]


def labelled(out: Path) -> list[Row]:
    """Packaged labelled sets."""
    from saebench.data.probing_sets import MARKS, PROBING_SETS, TWINS

    return [
        {
            "name": name,
            "kind": one["kind"],
            "family": one["family"],
            "remark": f"the same rows as {TWINS[name]}" if name in TWINS else MARKS.get(name, ""),
        }
        for name, one in PROBING_SETS.items()
    ]


def questions(out: Path) -> list[Row]:
    """Packaged sets of multiple-choice questions, which are lm-eval tasks too."""
    from saebench.data.question_sets import PACKAGED

    return [
        {"name": one.name, "about": one.about, "revision": one.revision, "licence": one.licence}
        for one in PACKAGED.values()
    ]


def sites(out: Path) -> list[Row]:
    """Patterns of site names."""
    return [{"name": name, "about": about} for name, about in SITES]


def results(out: Path) -> list[Row]:
    """Results of a folder."""
    from saebench.results.store import ResultStore

    return [
        {
            "name": record.id,
            "subject": record.subject.name,
            "task": record.task,
            "site": record.site,
            "eval_seed": record.eval_seed,
            "finished": record.provenance.finished,
        }
        for record in ResultStore(out).all()
    ]


KINDS: Mapping[str, Callable[[Path], list[Row]]] = {
    "suites": suites,
    "panels": panels,
    "tasks": tasks,
    "architectures": architectures,
    "baselines": baselines,
    "lms": lms,
    "data": data,
    "labelled": labelled,
    "questions": questions,
    "sites": sites,
    "results": results,
}


def listing(kind: str, out: Path) -> list[Row]:
    """Rows of a kind, each with at least `name`.

    Raises:
        UnknownName: no such kind.
    """
    if kind not in KINDS:
        raise UnknownName("kind", kind, near_misses(kind, KINDS), tuple(KINDS))
    return KINDS[kind](out)


def describe(name: str, out: Path) -> tuple[Row, str]:
    """Facts about the thing called `name`, and its card in Markdown where it has one.

    Raises:
        UnknownName: nothing is called so, with near misses over all kinds.
    """
    known: dict[str, str] = {}
    for kind in KINDS:
        for row in listing(kind, out) if kind != "results" or out.is_dir() else ():
            known.setdefault(row["name"], kind)
    if name not in known:
        raise UnknownName("name", name, near_misses(name, known), (), "'saebench ls KIND' lists what there is.")
    return {"kind": known[name].removesuffix("s"), **DETAIL[known[name]](name, out)}, card(name, out)


def card(name: str, out: Path) -> str:
    """The protocol card of a task, or an empty text; an audit of the results folder replaces the published one."""
    from saebench.report.reliability import TITLE, audit_markdown
    from saebench.results.audits import FOLDER, read_audit

    file = packaged("suites") / "cards" / f"{name}.md"
    prose = file.read_text() if file.is_file() else ""
    own = out / FOLDER / f"{name}.json"
    if not own.is_file():
        return prose
    return f"{prose.partition(TITLE)[0].rstrip()}\n\n{audit_markdown(read_audit(own))}".lstrip()


def _suite(name: str, out: Path) -> Row:
    from saebench.run.suite import load_suite

    return load_suite(name).model_dump(mode="json")


def _panel(name: str, out: Path) -> Row:
    from saebench.run.panel import load_panel

    return {"name": name, "subjects": load_panel(name)}


def _task(name: str, out: Path) -> Row:
    from saebench.tasks import TASKS

    task = TASKS.get(name)
    made = task.card
    arrows = {"up": "higher is better", "down": "lower is better", "none": "no direction"}
    return {
        "name": made.name,
        "question": made.question,
        "source": made.source,
        "control_order": " > ".join(made.control_order),
        "cost": made.cost_note,
        "unfit": made.unfit or None,
        "parameters": {
            key: f"{field.default!r}: {field.description or ''}" for key, field in task.parameters.model_fields.items()
        },
        "metrics": {metric.name: f"{metric.definition} ({arrows[metric.direction]})" for metric in made.metrics},
    }


def _architecture(name: str, out: Path) -> Row:
    import inspect

    from saebench.dictionaries import ARCHITECTURES

    function = ARCHITECTURES.get(name)
    settings = {key: str(setting.default) for key, setting in inspect.signature(function).parameters.items()}
    return {"name": name, "about": inspect.getdoc(function) or "", "settings": settings}


def _baseline(name: str, out: Path) -> Row:
    file = packaged("baselines") / f"{name}.yaml"
    row: Row = yaml.safe_load(file.read_text()) if file.is_file() else _stranger(name)
    return row


def _asset(name: str, out: Path) -> Row:
    from saebench.assets.catalogue import ASSETS

    one = ASSETS.get(name)
    return {
        "name": one.name,
        "title": one.title,
        "package": f"{one.package} {one.version} ({one.registry}, {one.archive_size / 1e6:.0f} MB)",
        "licence": one.licence,
        "licence_of_package": one.package_licence,
        "note": one.note,
        "sha256": one.archive_sha256,
    }


def _lm(name: str, out: Path) -> Row:
    from saebench.lm.synthetic.presets import is_synthetic, preset
    from saebench.lm.synthetic.realised import is_measured, summary
    from saebench.lm.synthetic.world import World

    if not is_synthetic(name):
        return _asset(name, out)
    world = World(preset(name))
    # Measuring a large world takes minutes: it is shown once something has used it.
    known = is_measured(world) or world.features <= MEASURED_WHEN_SHOWN
    measured = {"realised": summary(world) if known else "measured when ground_truth@1 first runs on it"}
    return {**world.preset.model_dump(mode="json"), "name": name, "fingerprint": world.fingerprint, **measured}


def _labelled(name: str, out: Path) -> Row:
    from saebench.data.probing_sets import ASSET

    own = next(row for row in labelled(out) if row["name"] == name)
    return {**own, "file": _asset(ASSET, out)}


def _questions(name: str, out: Path) -> Row:
    return next(row for row in questions(out) if row["name"] == name)


def _site(name: str, out: Path) -> Row:
    return {"name": name, "about": dict(SITES)[name]}


def _result(name: str, out: Path) -> Row:
    from saebench.results.store import ResultStore

    return ResultStore(out).read(name).model_dump(mode="json")


DETAIL: Mapping[str, Callable[[str, Path], Row]] = {
    "suites": _suite,
    "panels": _panel,
    "tasks": _task,
    "architectures": _architecture,
    "baselines": _baseline,
    "lms": _lm,
    "data": _asset,
    "labelled": _labelled,
    "questions": _questions,
    "sites": _site,
    "results": _result,
}


def first_line(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().split("\n")[0]
