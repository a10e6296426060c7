from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from pathlib import Path

import pytest
from leaderboard_records import CARD, HALF_WIDTH, SITE, TASK, metrics, panel, record
from parsed_page import Element, parse

from saebench.errors import StorageError
from saebench.packaged_files import packaged
from saebench.report.numbers import DASH
from saebench.report.page import inline_json, render, write_page
from saebench.report.view import Standing
from saebench.results.audits import AuditRecord

HOSTILE = '</script><img src=x onerror="alert(1)">&amp;{{ 7*7 }}'


def page_of(records=None, **more) -> str:
    return render(panel() if records is None else records, "Board", cards={TASK: CARD}, **more)


@pytest.fixture(scope="module")
def root() -> Element:
    return parse(page_of())


def board(root: Element) -> Element:
    return root.all("table", "results")[0]


def column(root: Element, title: str) -> list[Element]:
    headings = [heading.text for heading in board(root).all("thead")[0].all("th")]
    index = next(i for i, heading in enumerate(headings) if heading.startswith(title))
    rows = board(root).all("tbody")[0].all("tr")
    return [[child for child in row.children if child.tag in ("td", "th")][index] for row in rows]


def test_same_results_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    records = panel()
    first = write_page(records, tmp_path / "a", cards={TASK: CARD}).read_bytes()
    random.Random(7).shuffle(records)
    second = write_page([*records, records[3]], tmp_path / "b", cards={TASK: CARD}).read_bytes()
    assert first == second


def test_one_changed_number_changes_the_hash_of_the_data() -> None:
    records = panel()
    changed = [*records[1:], records[0].model_copy(update={"cost": {"seconds_per_million_tokens": 813.0}})]
    hashes = [re.search(r"Hash of the data: <code>(\w{32})", page_of(part)).group(1) for part in (records, changed)]
    assert hashes[0] != hashes[1]


def test_nothing_in_the_page_refers_to_another_place(root: Element) -> None:
    links = [element.attributes[name] for element in root.everything() for name in ("href", "src", "action", "srcset")
             if name in element.attributes]  # fmt: skip
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert "url(" not in root.all("style")[0].text
    assert "@import" not in root.all("style")[0].text


def test_policy_admits_exactly_the_scripts_of_the_page(root: Element) -> None:
    policy = next(e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.attributes["content"].split("; "))
    admitted = {word for word in rules["script-src"].split() if word.startswith("'sha256-")}
    scripts = ["".join(e.pieces) for e in root.all("script") if e.attributes.get("type") != "application/json"]
    assert admitted == {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    }
    assert len(scripts) == 5
    assert rules["default-src"] == "'none'"


def test_every_fragment_link_has_its_target(root: Element) -> None:
    ids = [element.attributes["id"] for element in root.everything() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    targets = {e.attributes["href"][1:] for e in root.all("a")}
    assert targets <= set(ids)


def test_without_script_the_table_is_sorted_best_first_and_undefined_last(root: Element) -> None:
    values = [cell.attributes.get("data-value") for cell in column(root, "Loss recovered")]
    numbers = [float(value) for value in values if value is not None]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 14
    assert values[14] is None
    (sorted_heading,) = [e for e in board(root).all("th") if "aria-sort" in e.attributes]
    assert sorted_heading.text.startswith("Loss recovered")
    assert sorted_heading.attributes["aria-sort"] == "descending"


def test_cells_hold_value_and_interval(root: Element) -> None:
    cell = next(c for c in column(root, "Loss recovered") if c.attributes.get("data-value") == "0.931")
    assert cell.text == "0.931 [0.925, 0.937]"


def test_undefined_cells_lead_to_a_visible_reason(root: Element) -> None:
    (cell,) = [c for c in column(root, "Loss recovered") if "data-value" not in c.attributes]
    (link,) = cell.all("a")
    note = next(e for e in root.everything() if e.attributes.get("id") == link.attributes["href"][1:])
    assert note.text == "clean loss is not below zero-ablation loss" == link.attributes["title"]


def test_table_says_what_it_is_to_a_screen_reader(root: Element) -> None:
    table = board(root)
    assert "sorted by Loss recovered" in table.all("caption")[0].text
    assert {e.attributes["scope"] for e in table.all("thead")[0].all("th")} == {"col"}
    rows = table.all("tbody")[0].all("tr")
    assert [row.all("th")[0].attributes["scope"] for row in rows] == ["row"] * 15
    assert all(len(heading.all("button")) == 1 for heading in table.all("thead")[0].all("th"))
    assert len(root.all("p", "status")) == 1


def test_controls_and_baselines_carry_a_badge(root: Element) -> None:
    rows = board(root).all("tbody")[0].all("tr")
    badges = {row.all("a")[0].text: [e.text for e in row.all("span", "badge")] for row in rows}
    assert badges["identity"] == ["control"]
    assert badges["pca-32"] == ["baseline"]
    assert badges["topk-k32-s0"] == []


def test_sheet_of_a_subject_holds_every_metric_and_its_identity(root: Element) -> None:
    one = panel()[0]
    (sheet,) = [e for e in root.all("details", "sheet") if e.all("span", "who")[0].text == one.subject.name]
    assert len(sheet.all("tbody")[0].all("tr")) + len(sheet.all("tbody")[1].all("tr")) - len(
        sheet.all("tr", "reason")
    ) == len(one.metrics)
    for needed in (one.id, one.subject.fingerprint, "licence: CC0", "saebench 0.1.0", "batch 16", one.items.sha256):
        assert needed in sheet.text
    assert "never ranked" in sheet.all("table")[1].text


def test_definitions_come_from_the_card(root: Element) -> None:
    text = root.all("details", "definitions")[0].text
    assert all(" ".join(CARD.metric(name).definition.split()) in text for name in HALF_WIDTH)


def test_standings_are_shown_as_rank_span_and_letters() -> None:
    records = panel()
    root = parse(page_of(records, standings={records[0].id: Standing("bc", 2, 5)}))
    ranks = {
        name.all("a")[0].text: cell.text for name, cell in zip(column(root, "Name"), column(root, "Rank"), strict=True)
    }
    assert ranks["topk-k32-s0"] == f"2{DASH}5 tie group bc"
    assert ranks["identity"] == DASH


def test_hostile_names_stay_text_everywhere() -> None:
    hostile = record(HOSTILE, HOSTILE, None, 0, metrics(32.0, 0.9, 0.3, 0.01), suite=HOSTILE)
    root = parse(render([hostile, *panel()], HOSTILE, cards={TASK: CARD}))
    assert root.all("img") == []
    assert root.all("title")[0].text == HOSTILE
    assert {element.attributes.get("onerror") for element in root.everything()} == {None}
    names = [row.all("th")[0].all("a")[0].text for row in root.all("tbody")[0].all("tr")]
    assert HOSTILE in [e.text for e in root.all("span", "who")]
    assert HOSTILE in names
    specs = [json.loads("".join(e.pieces)) for e in root.all("script", "plot-data")]
    assert HOSTILE in {point["name"] for spec in specs for point in spec["data"]["values"]}


def test_hostile_reason_and_details_stay_text() -> None:
    one = panel()[0]
    bad = one.metrics["kl"].model_copy(update={"value": None, "low": None, "high": None, "undefined": HOSTILE})
    changed = one.model_copy(update={"metrics": {**one.metrics, "kl": bad}, "details": {HOSTILE: {HOSTILE: HOSTILE}}})
    root = parse(page_of([changed]))
    assert root.all("img") == []
    assert HOSTILE in root.all("ol", "notes")[0].text


@pytest.mark.parametrize("value", ["</script>", "<!--", "a&b", "\u2028\u2029", {"k": ["<b>", 1.5, None]}])
def test_inlined_json_reads_back_and_holds_no_markup(value: object) -> None:
    text = str(inline_json(value))
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_results_without_card_or_of_an_unknown_task_are_shown() -> None:
    root = parse(render(panel(), "Board"))
    assert column(root, "L0")[0].text
    assert root.all("details", "definitions") == []


def test_no_results_give_a_page_that_says_so() -> None:
    root = parse(render([], "Board"))
    assert "No results yet" in root.all("main")[0].text
    assert len(root.all("script")) == 2


def test_unwritable_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_page(panel(), tmp_path / "file" / "board")


def test_every_compiled_package_has_its_licence_text() -> None:
    pins = json.loads((Path(__file__).parents[2] / "scripts" / "vendor_plots.json").read_text())
    notices = (packaged("site") / "vendor" / "LICENSES.txt").read_text()
    assert all(f"{pin['name']} {pin['version']} ({pin['licence']})\n" in notices for pin in pins)
    assert parse(page_of()).all("pre", "licences")[0].text == " ".join(notices.split())


def audit_of_page() -> AuditRecord:
    """An audit of two metrics; every cell of the second is empty with a reason."""
    known = {"value": 0.004, "low": 0.003, "high": 0.006, "n": 20}
    unknown = {"value": None, "undefined": "<b>not measured</b>"}
    lenses = ("reseed_sd", "cv", "smallest_reliable", "smallest_reliable_paired", "snr", "separated", "trend",
              "validity_f1", "validity_mcc")  # fmt: skip
    shared = {"reasons": ["signal to noise 0.40"], "order": []}
    return AuditRecord.model_validate(
        {
            "task": TASK,
            "metrics_fingerprint": CARD.fingerprint(),
            "settings": {
                "suite": "audit-v1", "lm": "toy", "site": SITE, "params": {}, "eval_seeds": [0, 1, 2, 3, 4],
                "subjects": ["a"], "world": "synthetic:tiny", "sweep": [], "budget": "", "saebench": "0.1.0",
                "finished": "2026-01-01T00:00:00+00:00",
            },
            "metrics": [
                {"metric": "loss_recovered", "verdict": "weak", **shared, **dict.fromkeys(lenses, known)},
                {"metric": "fvu", "verdict": "unfit", **shared, **dict.fromkeys(lenses, unknown)},
            ],
        }
    )  # fmt: skip


def test_an_audit_stands_beside_each_metric_and_below_the_table() -> None:
    page = parse(page_of(audits={TASK: audit_of_page()}))
    headings = {heading.text: heading for heading in board(page).all("thead")[0].all("th")}
    badges = {text: [badge.text for badge in heading.all("span", "trust")] for text, heading in headings.items()}
    told = {text.split(" ")[0]: badge for text, badge in badges.items() if badge}
    assert told["Loss"] == ["weak"]
    assert next(badge for text, badge in badges.items() if text.startswith("FVU")) == ["unfit"]
    assert ["not audited"] in badges.values(), "a metric that the audit does not name"
    details = page.all("details", "audit")[0]
    assert "5 seeds, 1 subject (a)" in details.text
    assert "Signal to noise 0.40." in details.text, "a reason for all metrics stands alone"
    assert "<b>not measured</b>" in details.text, "escaped"


def test_without_an_audit_every_ranked_metric_says_so(root: Element) -> None:
    badges = [badge.text for badge in board(root).all("span", "trust")]
    assert badges
    assert set(badges) == {"not audited"}
    assert not root.all("details", "audit")
