"""The page of a task: its protocol card, what each metric means, and how far each can be trusted. No script."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markupsafe import Markup

from saebench.packaged_files import packaged
from saebench.report.reliability import HEAD, LEGEND, TITLE, audit_row, reasons_of, settings_text
from saebench.report.site import policy, templates
from saebench.results.aggregates import NAME
from saebench.results.audits import AuditRecord
from saebench.results.store import slug
from saebench.tasks.contract import Card


def card_pages_of(tasks: Sequence[str]) -> dict[str, str]:
    """Address of each task's page from the index, and of what is said there about aggregates."""
    return {NAME: "index.html#about-aggregate"} | {task: f"cards/{slug(task)}.html" for task in tasks}


def card_page(task: str, card: Card | None, audit: AuditRecord | None, title: str) -> str:
    """The text of the page.

    Args:
        task: `id@version`.
        card: None for a task that is not installed here.
        audit: None for a task without one.
        title: heading of the index.
    """
    return (
        templates()
        .get_template("card.html.j2")
        .render(
            title=title,
            task=task,
            card=card,
            prose=prose_of(task),
            audit=audit,
            audit_head=HEAD,
            audit_legend=LEGEND,
            audit_settings=settings_text(audit) if audit else "",
            audit_rows=[audit_row(one) for one in audit.metrics] if audit else [],
            audit_reasons=reasons_of(audit.metrics) if audit else [],
            policy=policy(),
        )
    )


def prose_of(task: str) -> Markup | None:
    """The packaged card of a task without its published audit, as HTML; None where there is none.

    Raw HTML in a card is shown as text.
    """
    file = packaged("suites") / "cards" / f"{task}.md"
    if task != slug(task) or not file.is_file():
        return None
    text, _, _ = file.read_text("utf-8").partition(TITLE)
    _, _, below = text.partition("\n")
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(below))
