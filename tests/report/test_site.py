from __future__ import annotations

import json
import re

import pytest

from saebench.packaged_files import packaged
from saebench.report.plot import COLOURS, GREY, plot_template
from saebench.report.site import inline_json, policy


@pytest.mark.parametrize("value", ["</script>", "<!--", "a&b", "\u2028\u2029", {"k": ["<b>", 1.5, None]}])
def test_inlined_json_reads_back_and_holds_no_markup(value):
    text = str(inline_json(value))
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_a_page_without_scripts_admits_none():
    rules = dict(rule.split(" ", 1) for rule in policy().split("; "))
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert "unsafe-eval" in policy(["a"], compiles=True)


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    style = (packaged("site") / "page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"--([a-z-]+): (#\w{3,6});", block)) for block in blocks)
    full = [light, {**light, **dark}]
    return [{k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in one.items()} for one in full]


def test_black_on_white_has_the_contrast_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_texts_and_marks_can_be_seen(scheme):
    texts = ("ink", "muted", "accent", "sound", "weak", "unfit")
    pairs = [(text, ground) for text in texts for ground in ("paper", "tint")]
    pairs += [("control", "control-tint"), ("baseline", "baseline-tint"), ("ink", "control-tint")]
    assert {pair: contrast(scheme[pair[0]], scheme[pair[1]]) for pair in pairs if
            contrast(scheme[pair[0]], scheme[pair[1]]) < 4.5} == {}  # fmt: skip
    assert [colour for colour in (*COLOURS, GREY, scheme["bar"]) if contrast(colour, scheme["paper"]) < 3] == []


def placeholders(part) -> set[str]:
    if isinstance(part, dict):
        return {name for one in part.values() for name in placeholders(one)}
    if isinstance(part, list | tuple):
        return {name for one in part for name in placeholders(one)}
    return {part} if isinstance(part, str) and part.startswith("$") else set()


def test_the_script_fills_in_exactly_what_the_plot_template_leaves_open():
    script = (packaged("site") / "script" / "plot.js").read_text()
    given = set(re.findall(r"(\$\w+):", script))
    assert placeholders(plot_template()) == given
