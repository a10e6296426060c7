"""The leaderboard: one HTML file that opens from disk, made from results alone.

Script, style, data and plot library are inlined, and a content security policy in the page forbids every request and
every script but those. The same results give the same bytes: no build time, the date of the newest result instead.
Names come from strangers: templates escape them, data is JSON without `<`, and the script writes text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from saebench.fingerprint import canonical_json, digest
from saebench.packaged_files import packaged
from saebench.report.numbers import DASH, decimals, fixed, interval, label
from saebench.report.plot import sparsity_plot
from saebench.report.reliability import HEAD as AUDIT_HEAD
from saebench.report.reliability import LEGEND as AUDIT_LEGEND
from saebench.report.reliability import audit_row, reasons_of, settings_text
from saebench.report.reliability import shown as shown_metrics
from saebench.report.sheet import sheet_facts, sheet_metrics
from saebench.report.view import Section, Standing, sections, unique
from saebench.results.atomic import write_bytes
from saebench.results.audits import AuditRecord
from saebench.results.schema import ResultRecord
from saebench.tasks.contract import Card

TITLE = "Sparse autoencoder leaderboard"
PLOT_LIBRARY = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
MARK_SCRIPT = 'document.documentElement.className = "js"'


def write_page(
    records: Sequence[ResultRecord],
    out: Path,
    title: str = TITLE,
    *,
    cards: Mapping[str, Card] | None = None,
    standings: Mapping[str, Standing] | None = None,
    audits: Mapping[str, AuditRecord] | None = None,
) -> Path:
    """Write `out/index.html`.

    Args:
        records: results of any suites and tasks; their order does not matter.
        out: folder, made where it is missing.
        title: heading of the page.
        cards: task name (`reconstruction@1`) to its card: column choice, directions, definitions. A task without a
            card is shown with bare names, sorted by its first metric.
        standings: result id to its standing on the headline metric of its section; shown as rank and letters.
        audits: task name to its audit: the verdict stands beside each metric, the figures below the table.

    Returns:
        The path of the page.

    Raises:
        StorageError: the folder cannot be written.
    """
    page = out / "index.html"
    write_bytes(page, render(records, title, cards=cards, standings=standings, audits=audits).encode())
    return page


def render(
    records: Sequence[ResultRecord],
    title: str,
    *,
    cards: Mapping[str, Card] | None = None,
    standings: Mapping[str, Standing] | None = None,
    audits: Mapping[str, AuditRecord] | None = None,
) -> str:
    """The text of the page; arguments as in `write_page`."""
    site = packaged("site")
    ordered = unique(records)
    shown = sections(ordered, cards or {}, standings or {}, audits or {})
    plots = {section.anchor: sparsity_plot(section) for section in shown}
    drawing = any(plots.values())
    scripts = [(site / "page.js").read_text("utf-8")]
    if drawing:
        scripts += [(site / "vendor" / name).read_text("utf-8") for name in PLOT_LIBRARY]
    environment = Environment(
        loader=FileSystemLoader(site), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"json": inline_json, "label": label, "sheet_facts": sheet_facts, "cells": _sheet_cells}
    environment.filters["audit_lines"] = _audit_lines
    environment.globals |= {"audit_head": AUDIT_HEAD, "audit_legend": AUDIT_LEGEND}
    return environment.get_template("index.html.j2").render(
        title=title,
        sections=shown,
        plots=plots,
        policy=_policy([MARK_SCRIPT, *scripts]),
        style=Markup((site / "page.css").read_text("utf-8")),
        mark_script=Markup(MARK_SCRIPT),
        scripts=[Markup(script) for script in scripts],
        licences=(site / "vendor" / "LICENSES.txt").read_text("utf-8") if drawing else "",
        data_hash=digest([record.model_dump(mode="json") for record in ordered]),
        newest=max((record.provenance.finished for record in ordered), default="")[:10],
        versions=sorted({record.provenance.saebench for record in ordered}),
        subjects=len({record.subject.fingerprint for record in ordered}),
        results=len(ordered),
        dash=DASH,
    )


def inline_json(value: Any) -> Markup:
    """JSON that may stand inside a script element: `<`, `>`, `&` and line separators are escaped."""
    text = canonical_json(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _policy(scripts: Sequence[str]) -> str:
    """No request to anywhere; no script but those inlined here. Vega compiles its expressions, hence `unsafe-eval`."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _audit_lines(section: Section) -> tuple[str, list[list[str]], list[str]]:
    """(settings, one row a shown metric, reasons) of the section's audit."""
    assert section.audit is not None
    metrics = shown_metrics(section.audit, [column.metric.name for column in section.columns])
    return settings_text(section.audit), [audit_row(one) for one in metrics], reasons_of(metrics)


def _sheet_cells(record: ResultRecord, section: Section) -> list[tuple[str, list[tuple[str, str, str, int, str]]]]:
    """Groups of (metric, value, interval, clusters, reason) for the sheet of a result, as text."""
    groups = []
    for group, found in sheet_metrics(record, section):
        lines = []
        for metric, value in found:
            places = decimals([value])
            text = DASH if value.value is None else fixed(value.value, places)
            lines.append((metric.name, text, interval(value, places) or "", value.n, value.undefined or ""))
        groups.append((group, lines))
    return groups
