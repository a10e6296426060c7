from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from built_boards import audit_of_page, boards, index
from leaderboard_records import CARD, SITE, TASK, metrics, panel, record
from parsed_page import Element, parse
from scored_panel import store_panel

from saebench.packaged_files import packaged
from saebench.report.numbers import DASH
from saebench.results.schema import SubmissionRecord
from saebench.results.store import ResultStore

HOSTILE = '</script></noscript><img src=x onerror="alert(1)">&amp;{{ 7*7 }}'


@pytest.fixture(scope="module")
def root() -> Element:
    return parse(index())


def still(root: Element) -> Element:
    """The table that is there without scripts."""
    return root.all("noscript")[0].all("table", "results")[0]


def heads(root: Element) -> list[Element]:
    return still(root).all("thead")[0].all("tr")[1].all("th")


def column(root: Element, title: str) -> list[Element]:
    at = next(i for i, heading in enumerate(heads(root)) if heading.text.startswith(title))
    rows = still(root).all("tbody")[0].all("tr")
    return [[child for child in row.children if child.tag in ("td", "th")][at] for row in rows]


def data_of(root: Element) -> dict:
    (script,) = [e for e in root.all("script") if e.attributes.get("id") == "data"]
    return json.loads("".join(script.pieces))


def test_nothing_in_the_page_refers_to_another_place(root):
    links = [element.attributes[name] for element in root.everything() for name in ("href", "src", "action", "srcset")
             if name in element.attributes]  # fmt: skip
    assert links
    own = ("#", "subjects/", "cards/", "leaderboard.", "data:,")
    assert [link for link in links if not link.startswith(own)] == []
    assert "url(" not in root.all("style")[0].text
    assert "@import" not in root.all("style")[0].text


def test_policy_admits_exactly_the_scripts_of_the_page(root):
    held = next(e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in held.attributes["content"].split("; "))
    admitted = {word for word in rules["script-src"].split() if word.startswith("'sha256-")}
    scripts = ["".join(e.pieces) for e in root.all("script") if e.attributes.get("type") != "application/json"]
    assert admitted == {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    }
    assert rules["default-src"] == "'none'"


def test_every_fragment_link_has_its_target(root):
    ids = [element.attributes["id"] for element in root.everything() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = {e.attributes["href"][1:] for e in root.all("a") if e.attributes["href"].startswith("#")}
    assert targets
    assert targets <= set(ids)


def test_without_scripts_the_table_is_sorted_best_first_and_undefined_last(root):
    values = [cell.all("b") for cell in column(root, "Loss recovered")]
    numbers = [float(value[0].text.replace("\u2212", "-")) for value in values if value]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 14
    assert values[14] == []
    (marked,) = [e for e in still(root).all("th") if "aria-sort" in e.attributes]
    assert marked.text.startswith("Loss recovered")
    assert marked.attributes["aria-sort"] == "descending"


def test_cells_hold_value_and_interval(root):
    cell = next(c for c in column(root, "Loss recovered") if c.text.startswith("0.931"))
    assert cell.text == "0.931[0.925, 0.937]"
    assert len(cell.all("i", "bar")) == 1


def test_undefined_cells_lead_to_a_visible_reason(root):
    (cell,) = [c for c in column(root, "Loss recovered") if not c.all("b")]
    (link,) = cell.all("a")
    note = next(e for e in root.everything() if e.attributes.get("id") == link.attributes["href"][1:])
    assert note.text == "clean loss is not below zero-ablation loss" == link.attributes["title"]


def test_the_table_says_what_it_is_to_a_screen_reader(root):
    table = still(root)
    assert "sorted by Loss recovered" in table.all("caption")[0].text
    assert {e.attributes["scope"] for e in heads(root)} == {"col"}
    rows = table.all("tbody")[0].all("tr")
    assert [row.all("th")[0].attributes["scope"] for row in rows] == ["row"] * 15
    assert len(root.all("p", "status")) == 1
    assert all(select.parent.tag == "label" for select in root.all("select"))


def test_every_subject_links_to_its_page_and_controls_carry_a_badge(root):
    rows = still(root).all("tbody")[0].all("tr")
    badges = {row.all("a")[0].text: [e.text for e in row.all("span", "badge")] for row in rows}
    assert badges["identity"] == ["control"]
    assert badges["pca-32"] == ["baseline"]
    assert badges["topk-k32-s0"] == []
    (board,) = boards()
    assert [row.all("a")[0].attributes["href"] for row in rows] == [f"subjects/{one.page}.html" for one in board.rows]


def test_the_data_of_the_script_are_the_numbers_of_the_table(root):
    board = data_of(root)["boards"][0]
    names = [cell.all("a")[0].text for cell in column(root, "Name")]
    assert board["rows"]["name"] == names
    for shown in board["groups"][0]["columns"]:
        cells = column(root, shown["label"])
        for at, cell in enumerate(cells):
            value = shown["cells"][3 * at]
            text = cell.all("b")
            assert (value is None) == (text == [])
            if value is not None:
                assert float(text[0].text.replace("\u2212", "-").replace(",", "")) == value
            assert (str(at) in shown["reasons"]) == bool(cell.all("a", "why"))


def test_standings_are_shown_as_rank_span_and_letters(tmp_path):
    records = store_panel(tmp_path)
    root = parse(index(records, store=ResultStore(tmp_path)))
    names = [cell.all("a")[0].text for cell in column(root, "Name")]
    ranks = dict(zip(names, [cell.all("b")[0].text for cell in column(root, "Rank")], strict=True))
    assert ranks["topk-k32-s0"] == ranks["topk-k32-s1"] == f"2{DASH}3"
    letters = dict(zip(names, [c.all("abbr")[0].text for c in column(root, "Loss recovered")], strict=True))
    assert letters["topk-k32-s0"] == letters["topk-k32-s1"] == "b"
    standing = data_of(root)["boards"][0]["groups"][0]["standing"]
    assert [one[:3] for one in standing][1:3] == [["b", 2, 3], ["b", 2, 3]]


def test_differences_to_the_base_and_to_the_next_subject_are_in_the_data(tmp_path):
    records = store_panel(tmp_path)
    board = data_of(parse(index(records, store=ResultStore(tmp_path))))["boards"][0]
    group = board["groups"][0]
    values = group["columns"][group["headline"]]["cells"][::3]
    beside = {name: [flat[at : at + 5] for at in range(0, len(flat), 5)] for name, flat in group["beside"].items()}
    base = board["rows"]["name"].index("pca-32")
    assert group["base"] == base
    assert [one[0] for one in beside["base"]] == [None if row == base else base for row in range(6)]
    assert [one[0] for one in beside["next"]] == [1, 2, 3, 4, 5, None]
    for row, (other, value, low, high, apart) in enumerate([*beside["base"], *beside["next"]]):
        if other is not None:
            assert abs(value - (values[row % 6] - values[other])) < 0.002
            assert low <= value <= high
            assert apart == (0 if {row % 6, other} == {1, 2} else 1)


def test_hostile_names_stay_text_everywhere():
    hostile = record(HOSTILE, HOSTILE, None, 0, metrics(32.0, 0.9, 0.3, 0.01), suite=HOSTILE)
    root = parse(index([hostile, *panel()], HOSTILE))
    assert root.all("img") == []
    assert root.all("title")[0].text == HOSTILE
    assert {element.attributes.get("onerror") for element in root.everything()} == {None}
    assert HOSTILE in [cell.all("a")[0].text for cell in column(root, "Name")]
    assert HOSTILE in data_of(root)["boards"][0]["rows"]["name"]
    assert all(re.fullmatch(r"[\w.@=+-]+", page) for page in data_of(root)["boards"][0]["rows"]["page"])


def test_hostile_reasons_stay_text():
    one = panel()[0]
    bad = one.metrics["kl"].model_copy(update={"value": None, "low": None, "high": None, "undefined": HOSTILE})
    root = parse(index([one.model_copy(update={"metrics": {**one.metrics, "kl": bad}})]))
    assert root.all("img") == []
    assert HOSTILE in root.all("ol", "notes")[0].text


def test_one_changed_number_changes_the_hash_of_the_data():
    records = panel()
    changed = [*records[1:], records[0].model_copy(update={"cost": {"seconds_per_million_tokens": 813.0}})]
    hashes = [re.search(r"Hash of the data: <code>(\w{32})", index(part)).group(1) for part in (records, changed)]
    assert hashes[0] != hashes[1]


def test_no_results_give_a_page_that_says_so():
    root = parse(index([]))
    assert "No results yet" in root.all("main")[0].text
    assert len(root.all("script")) == 1


def test_every_compiled_package_has_its_licence_text(root):
    pins = json.loads((Path(__file__).parents[2] / "scripts" / "vendor_plots.json").read_text())
    notices = (packaged("site") / "vendor" / "LICENSES.txt").read_text()
    assert all(f"{pin['name']} {pin['version']} ({pin['licence']})\n" in notices for pin in pins)
    assert root.all("pre", "licences")[0].text == " ".join(notices.split())


def test_an_audit_stands_beside_each_metric():
    page = parse(index(audits={TASK: audit_of_page(SITE)}))
    told = {heading.text.split(" ")[0]: [b.text for b in heading.all("span", "trust")] for heading in heads(page)}
    assert told["Loss"] == ["weak"]
    assert next(told[name] for name in told if name.startswith("FVU")) == ["unfit"]
    assert ["not audited"] in told.values(), "a metric that the audit does not name"


def test_without_an_audit_every_ranked_metric_says_so(root):
    assert {badge.text for badge in still(root).all("span", "trust")} == {"not audited"}


def test_a_task_that_must_not_rank_says_why():
    root = parse(index(cards={TASK: replace(CARD, unfit="it is a <toy>")}))
    assert "Not for ranking. it is a <toy>" in root.all("section", "protocols")[0].text


def test_self_reported_numbers_are_marked_and_explained(root):
    one, *rest = panel()
    sent = one.model_copy(update={"submission": SubmissionRecord(name="theirs", status="self-reported")})
    page = parse(index([sent, *rest]))
    marks = {cell.all("a")[0].text: [b.text for b in cell.all("span", "badge")] for cell in column(page, "Name")}
    assert marks[one.subject.name] == ["self-reported"]
    assert "Self-reported" in page.all("section", "how")[0].text
    assert "Self-reported" not in root.all("section", "how")[0].text
