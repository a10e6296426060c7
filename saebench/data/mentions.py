"""Concepts that single words bear: short news texts that mention a weekday, a month, a country or a number.

The labels hold for tokens too, since it is known where the words stand; elsewhere a label is about a whole text. Texts
are those of `97_news_class` (AG News), whatever their topic. Names of countries are GeoNames' (`facts("countries")`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from saebench.data.facts import facts
from saebench.data.labelled import Labelled, RawRow, clean, labelled
from saebench.errors import UnknownName
from saebench.registry import near_misses

POOL = "97_news_class"
YES, NO = "1", "0"
Spans = tuple[tuple[int, int], ...]
"""Where words begin and end in a text, in characters."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of some words, as they are written."""
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b")


KINDS: dict[str, Callable[[], re.Pattern[str]]] = {
    "weekday": lambda: _words(WEEKDAYS),
    "month": lambda: _words(MONTHS),
    "country": lambda: _words(tuple(entity.name for entity in facts("countries").entities)),
    "number": lambda: re.compile(r"\b\d+(?:[.,]\d+)*\b"),
}


def mentions(kind: str) -> tuple[Labelled, dict[str, Spans]]:
    """Texts with the label `YES` or `NO`, and where the words stand in each text that has some.

    Raises:
        UnknownName: no such kind.
        AssetError: texts or names cannot be fetched.
    """
    if kind not in KINDS:
        raise UnknownName("kind of mention", kind, near_misses(kind, dict.fromkeys(KINDS)), tuple(KINDS))
    pool, pattern = labelled(POOL), KINDS[kind]()
    spans = {one.text: tuple(match.span() for match in pattern.finditer(one.text)) for one in pool.examples}
    rows = [RawRow(one.text, YES if spans[one.text] else NO, one.place) for one in pool.examples]
    data = clean(
        f"mention:{kind}",
        rows,
        licence=pool.licence,
        revision=pool.revision,
        source=f"mention:{kind}",
        family=pool.family,
    )
    return data, {text: where for text, where in spans.items() if where}
