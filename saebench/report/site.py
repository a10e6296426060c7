"""What all pages of the leaderboard share: templates, style, the security policy, and JSON that may stand in a page.

A page opens from disk and asks for nothing: its style and scripts are inlined, and its policy forbids every request and
every script but those. Names come from strangers: templates escape them, data is JSON without `<`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from saebench.fingerprint import canonical_json
from saebench.packaged_files import packaged
from saebench.report.numbers import DASH, fixed, interval, label, with_interval

MARK_SCRIPT = 'document.documentElement.className = "js"'
"""Tells the style that scripts run."""
LOOKS = ("index", "detail")
"""Style sheets beside the one that all pages share."""


@cache
def templates() -> Environment:
    """The templates of the site, with the words and numbers of the report at hand."""
    environment = Environment(
        loader=FileSystemLoader(packaged("site")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "json": inline_json,
        "label": label,
        "fixed": fixed,
        "interval": interval,
        "with_interval": with_interval,
    }
    environment.globals |= {
        "dash": DASH,
        "styles": {name: Markup(site_text("page.css") + site_text(f"{name}.css")) for name in LOOKS},
    }
    return environment


def site_text(name: str) -> str:
    """A file of the site."""
    return (packaged("site") / name).read_text("utf-8")


def inline_json(value: Any) -> Markup:
    """JSON that may stand inside a script element: `<`, `>`, `&` and line separators are escaped."""
    text = canonical_json(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def policy(scripts: Sequence[str] = (), *, compiles: bool = False) -> str:
    """No request to anywhere; no script but the given ones.

    Args:
        scripts: the text of each script of the page.
        compiles: whether they may make functions from text, as Vega does with its expressions.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    allowed = f"script-src {hashes}{' ' + repr('unsafe-eval') if compiles else ''}; " if scripts else ""
    return (
        f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
