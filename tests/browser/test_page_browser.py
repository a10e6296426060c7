"""The index of the leaderboard in a real Chromium: what a reader sees, clicks and types."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from built_boards import boards
from leaderboard_records import CARD, TASK, metrics, panel, record
from pages import (
    MARKS,
    choose,
    column,
    drawn,
    fragment,
    heading,
    look,
    names,
    numbers_then_undefined,
    opened,
    rows,
    size,
    sort_by,
    status,
)
from scored_panel import store_panel
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from saebench.report.leaderboard import build_leaderboard, write_site

pytestmark = pytest.mark.browser

HOSTILE = "</script></noscript><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fifteen subjects and one with a hostile name in suite quick; two of them again in a second suite."""
    hostile = record(HOSTILE, HOSTILE, None, 3, metrics(48.0, 0.9, 0.27, 0.01))
    again = [one.model_copy(update={"suite": "other", "id": f"0{one.id[1:]}"}) for one in panel()[:2]]
    elsewhere = panel()[0].model_copy(update={"site": "blocks.3.hook_mlp_out", "id": "1" * 32})
    moved = elsewhere.identity.model_copy(update={"site": "blocks.3.hook_mlp_out"})
    records = [*panel(), hostile, *again, elsewhere.model_copy(update={"identity": moved})]
    found = boards(records)
    found.sort(key=lambda board: -len(board.rows))
    out = tmp_path_factory.mktemp("board")
    return write_site(found, records, out, "Board", cards={TASK: CARD}, audits={}).as_uri()


@pytest.fixture(scope="module")
def chromium(start) -> Chrome:
    return start()


@pytest.fixture
def page(chromium: Chrome, address: str) -> Iterator[Chrome]:
    with opened(chromium, address) as one:
        yield one


def test_opens_from_disk_without_error_or_request(page):
    drawn(page)
    assert page.title == "Board"
    assert len(rows(page)) == 16
    assert status(page) == "16 of 16 subjects, by Loss recovered, descending"
    assert fragment(page) == {}


def test_a_click_sorts_best_first_and_a_second_one_turns_the_order(page):
    for title, descending in (("FVU", False), ("Explained variance", True), ("KL", False)):
        sort_by(page, title)
        first = numbers_then_undefined(column(page, title))
        assert first == sorted(first, reverse=descending)
        assert heading(page, title).get_attribute("aria-sort") == ("descending" if descending else "ascending")
        sort_by(page, title)
        turned = numbers_then_undefined(column(page, title))
        assert turned == sorted(first, reverse=not descending)
        assert len(page.find_elements(By.CSS_SELECTOR, "#board th[aria-sort]")) == 1


def test_names_sort_as_a_reader_counts(page):
    sort_by(page, "Name")
    some = [name for name in names(page) if name.startswith(("pca", "random", "topk"))]
    assert some == ["pca-32", "pca-64", "random-32", "random-64", "topk-k32-s0", "topk-k64-s0"]


def test_search_and_filters_reduce_rows_and_say_so(page):
    search = page.find_element(By.NAME, "q")
    search.send_keys("BATCH s0")
    assert set(names(page)) == {"batchtopk-k32-s0", "batchtopk-k64-s0"}
    assert status(page).startswith("2 of 16 subjects")
    page.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert status(page).startswith("16 of 16")
    assert search.get_attribute("value") == ""
    choose(page, "role", "control")
    assert len(rows(page)) == 7
    choose(page, "arch", "permuted")
    assert status(page).startswith("2 of 16")
    search.send_keys("no such subject")
    assert rows(page) == []


@pytest.mark.parametrize(
    ("name", "value", "count"), [("width", "576", 3), ("band", "64", 7), ("suite", "other", 2), ("role", "baseline", 2)]
)
def test_each_filter_keeps_what_it_names(page, name, value, count):
    choose(page, name, value)
    assert len(rows(page)) == count
    assert fragment(page) == {name: value}


def test_a_filter_that_could_change_nothing_is_not_there(page):
    assert page.find_element(By.NAME, "site").is_displayed()
    for name in ("model", "subjects", "status"):
        assert not page.find_element(By.NAME, name).is_displayed()


def test_another_site_is_another_board(page):
    choose(page, "site", "blocks.3.hook_mlp_out")
    assert names(page) == ["topk-k32-s0"]
    assert "blocks.3.hook_mlp_out" in page.find_element(By.ID, "board-title").text
    choose(page, "site", "blocks.9.hook_resid_post")
    assert len(rows(page)) == 16


def test_sorting_keeps_the_filter(page):
    choose(page, "role", "trained")
    sort_by(page, "FVU")
    assert len(rows(page)) == 7
    values = numbers_then_undefined(column(page, "FVU"))
    assert values == sorted(values)


def test_columns_of_a_task_fold_and_unfold_and_can_be_left_out(page):
    def groups():
        return [one.text for one in page.find_elements(By.CSS_SELECTOR, "#board .groups th")[1:]]

    def titles():
        return [one.text.split("\n")[0] for one in page.find_elements(By.CSS_SELECTOR, "#board th[data-key]")]

    assert [text.split("\n")[-1] for text in groups()] == [TASK, TASK]
    assert len(titles()) <= 15
    folded = page.find_element(By.CSS_SELECTOR, f"button[data-group='other/{TASK}']")
    before = len(titles())
    assert folded.get_attribute("aria-expanded") == "false"
    folded.click()
    assert len(titles()) == before + 6
    again = page.find_element(By.CSS_SELECTOR, f"button[data-group='other/{TASK}']")
    assert again.get_attribute("aria-expanded") == "true"
    assert page.switch_to.active_element == again
    page.find_element(By.CSS_SELECTOR, ".menu summary").click()
    page.find_element(By.CSS_SELECTOR, f"#columns input[value='other/{TASK}']").click()
    assert len(groups()) == 1
    assert fragment(page) == {"none": f"other/{TASK}"}


def test_a_permalink_brings_back_the_whole_view(page, address):
    choose(page, "role", "trained")
    sort_by(page, "FVU")
    sort_by(page, "FVU")
    page.find_element(By.NAME, "q").send_keys("k32, 50%&=#")
    page.find_element(By.NAME, "q").clear()
    page.find_element(By.NAME, "q").send_keys("k32")
    page.find_element(By.CSS_SELECTOR, f"button[data-group='other/{TASK}']").click()
    Select(page.find_element(By.ID, "axis-y")).select_by_value(f"quick/{TASK}/kl")
    for name in ("topk-k32-s0", "batchtopk-k32-s1"):
        page.find_element(By.XPATH, f"//a[text()='{name}']/preceding-sibling::input").click()

    def shown():
        return (
            names(page),
            status(page),
            [one.text for one in page.find_elements(By.CSS_SELECTOR, "#board th")],
            page.find_element(By.ID, "side").text,
            page.find_element(By.ID, "axis-y").get_attribute("value"),
            page.find_element(By.NAME, "role").get_attribute("value"),
        )

    link, before = page.current_url, shown()
    assert set(fragment(page)) == {"q", "role", "sort", "order", "full", "y", "pick"}
    page.get("about:blank")
    page.get(link)
    drawn(page)
    assert shown() == before
    assert page.current_url == link
    page.execute_script("location.hash = ''")
    WebDriverWait(page, 5).until(lambda _: status(page).startswith("16 of 16"))
    page.back()
    WebDriverWait(page, 5).until(lambda _: shown() == before)


@pytest.mark.parametrize("text", ["k32, 50%&=#", "a+b c", "</script>", "\u00e4\u2212\u5b57"])
def test_any_search_survives_the_address(page, text):
    page.find_element(By.NAME, "q").send_keys(text)
    link = page.current_url
    page.get("about:blank")
    page.get(link)
    assert page.find_element(By.NAME, "q").get_attribute("value") == text


def test_a_link_to_a_place_leads_there_and_going_back_to_the_first_view_scrolls_nowhere(page, address):
    page.get("about:blank")
    page.get(f"{address}#protocols")
    drawn(page)
    assert page.current_url.endswith("#protocols")
    assert page.execute_script("return scrollY") > 300
    choose(page, "role", "trained")
    before = page.execute_script("scrollTo(0, 400); return scrollY")
    choose(page, "role", "")
    assert page.execute_script("return scrollY") == before
    assert fragment(page) == {}


@pytest.mark.parametrize(
    "broken", ["sort=nowhere/x", "board=none", "q=%E0%A4%A", "pick=none,", "full=none", "arch=no", "&=&"]
)
def test_a_link_that_names_what_is_not_there_shows_what_there_is(page, address, broken):
    page.get("about:blank")
    page.get(f"{address}#{broken}")
    assert len(rows(page)) == 16


def test_plots_hold_a_mark_for_every_subject_with_a_place(page):
    drawn(page)
    panels = page.find_elements(By.CSS_SELECTOR, ".plot")
    marks = [len(one.find_elements(By.CSS_SELECTOR, ".mark-symbol.role-mark path")) for one in panels]
    assert marks == [7, 14]
    rules = panels[0].find_elements(By.CSS_SELECTOR, ".mark-rule.role-mark line")
    assert len(rules) == 14
    assert "mean, oracle-less" in page.find_element(By.TAG_NAME, "figcaption").text


def test_any_two_numbers_can_be_plotted_against_each_other(page):
    drawn(page)
    Select(page.find_element(By.ID, "axis-x")).select_by_value(f"quick/{TASK}/fvu")
    Select(page.find_element(By.ID, "axis-y")).select_by_value(f"quick/{TASK}/kl")

    def axis_titles():
        return {one.text for one in page.find_elements(By.CSS_SELECTOR, ".plot .role-axis-title text")}

    WebDriverWait(page, 30).until(lambda _: axis_titles() == {"FVU (lower is better)", "KL (lower is better)"})
    choose(page, "role", "trained")
    WebDriverWait(page, 30).until(lambda _: len(page.find_elements(By.CSS_SELECTOR, MARKS)) == 7)


@pytest.mark.parametrize("arch", ["identity", "mean", "pca", "unknown"])
def test_few_subjects_or_none_can_be_plotted(page, arch):
    drawn(page)
    choose(page, "arch", arch)
    placed = {"identity": 1, "mean": 0, "pca": 2, "unknown": 0}[arch]
    WebDriverWait(page, 30).until(lambda _: len(page.find_elements(By.CSS_SELECTOR, MARKS)) == placed)


def test_plots_follow_the_colour_scheme(page):
    drawn(page)

    def label_colour():
        script = "return document.querySelector('.plot .role-axis-label text')?.getAttribute('fill')"
        return page.execute_script(script)

    light = label_colour()
    look(page, "dark")
    WebDriverWait(page, 30).until(lambda _: label_colour() not in (light, None))


def test_a_name_opens_the_page_of_its_subject(page):
    page.find_element(By.LINK_TEXT, "topk-k32-s0").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "topk-k32-s0"
    assert panel()[0].id in page.find_element(By.TAG_NAME, "body").get_attribute("textContent")
    page.find_element(By.LINK_TEXT, TASK).click()
    assert page.find_element(By.TAG_NAME, "h1").text == TASK
    page.find_element(By.LINK_TEXT, "Back to the leaderboard").click()
    assert len(rows(page)) == 16


def test_the_protocol_is_one_click_away(page):
    page.find_element(By.CSS_SELECTOR, "#board .groups a").click()
    assert page.find_element(By.TAG_NAME, "h1").text == TASK


def test_an_undefined_cell_leads_to_its_reason_and_keeps_the_view(page):
    choose(page, "role", "control")
    link = page.find_element(By.CSS_SELECTOR, "#board a.why")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    assert page.switch_to.active_element.text == link.get_attribute("title")
    assert fragment(page) == {"role": "control"}


def test_at_most_four_are_put_side_by_side(page):
    boxes = page.find_elements(By.CSS_SELECTOR, "#board input.pick")
    for box in boxes[1:5]:
        box.click()
    assert [box.is_enabled() for box in boxes[:6]] == [False, True, True, True, True, False]
    page.find_element(By.ID, "to-side").click()
    side = page.find_element(By.ID, "side")
    assert page.switch_to.active_element == side
    table = side.find_element(By.TAG_NAME, "table")
    assert [one.text for one in table.find_elements(By.CSS_SELECTOR, "thead th")[1:]] == names(page)[1:5]
    assert "saebench compare" in side.text
    assert "different bands of L0" in side.text
    page.find_element(By.ID, "clear-side").click()
    assert not side.is_displayed()
    assert all(
        box.is_enabled() and not box.is_selected() for box in page.find_elements(By.CSS_SELECTOR, "#board input.pick")
    )


def saved(page):
    """The next file that the page saves: its text and its name."""
    page.execute_script(
        "window.saved = null;"
        "const make = URL.createObjectURL;"
        "URL.createObjectURL = (blob) => {"
        "  blob.text().then((text) => { window.saved = text; });"
        "  return make.call(URL, blob);"
        "};"
    )

    def read():
        return WebDriverWait(page, 5).until(lambda _: page.execute_script("return window.saved"))

    return read


def test_the_view_can_be_saved_as_csv_and_json(page):
    choose(page, "role", "trained")
    sort_by(page, "FVU")
    read = saved(page)
    page.find_element(By.ID, "save-csv").click()
    lines = list(csv.DictReader(io.StringIO(read())))
    assert [line["subject"] for line in lines] == names(page)
    assert [float(line[f"quick/{TASK}/fvu"]) for line in lines] == column(page, "FVU")
    page.execute_script("window.saved = null")
    page.find_element(By.ID, "save-json").click()
    objects = json.loads(read())
    assert [one["subject"] for one in objects] == names(page)
    assert objects[0][f"quick/{TASK}/fvu low"] < objects[0][f"quick/{TASK}/fvu"]


def test_keyboard_alone_sorts_filters_and_compares(page):
    page.find_element(By.NAME, "q").send_keys("topk", Keys.TAB)
    seen = set()
    for _ in range(80):
        active = page.switch_to.active_element
        seen.add(active.tag_name)
        if active.text.startswith("KL"):
            break
        active.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    values = numbers_then_undefined(column(page, "KL"))
    assert values == sorted(values)
    assert status(page).endswith("by KL, ascending")
    assert page.switch_to.active_element.text.startswith("KL")
    picked = 0
    for _ in range(80):
        active = page.switch_to.active_element
        if active.get_attribute("class") == "pick":
            active.send_keys(Keys.SPACE)
            picked += 1
            if picked == 2:
                break
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.find_element(By.ID, "side").is_displayed()
    assert {"select", "button", "summary"} <= seen


def test_everything_that_can_be_reached_has_a_name_and_a_visible_focus(page):
    drawn(page)
    script = """
        return [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
          .filter((one) => one.offsetParent && !one.closest(".vega-embed"))
          .filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label"))
          .filter((one) => !one.getAttribute("aria-labelledby") && !(one.labels && one.labels.length))
          .map((one) => one.outerHTML)
    """
    assert page.execute_script(script) == []
    box = page.find_element(By.CSS_SELECTOR, "#board input.pick")
    box.send_keys(Keys.TAB)
    width = page.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
    assert width == "2px"


def test_hostile_names_are_text_and_run_nothing(page):
    drawn(page)
    assert page.find_elements(By.CSS_SELECTOR, "img") == []
    assert page.title == "Board"
    assert HOSTILE in names(page)
    mark = next(one for one in page.find_elements(By.CSS_SELECTOR, MARKS) if HOSTILE in one.get_attribute("aria-label"))
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(page).move_to_element(mark).perform()
    tip = WebDriverWait(page, 5).until(
        lambda driver: driver.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible")
    )
    assert HOSTILE in tip.text
    choose(page, "arch", HOSTILE)
    page.find_element(By.CSS_SELECTOR, "#board input.pick").click()
    choose(page, "arch", "identity")
    page.find_element(By.CSS_SELECTOR, "#board input.pick").click()
    choose(page, "arch", HOSTILE)
    assert HOSTILE in page.find_element(By.ID, "side").text
    assert page.find_elements(By.CSS_SELECTOR, "img") == []
    page.find_element(By.CSS_SELECTOR, "#board th.name a").click()
    assert page.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert page.find_elements(By.CSS_SELECTOR, "img") == []


@pytest.mark.parametrize("width", [360, 420, 800, 1400])
def test_only_tables_scroll_sideways(page, width):
    drawn(page)
    for box in page.find_elements(By.CSS_SELECTOR, "#board input.pick")[:4]:
        box.click()
    size(page, width, 900)
    for one in page.find_elements(By.TAG_NAME, "details"):
        page.execute_script("arguments[0].open = true", one)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_header_and_the_names_stay_in_sight(page):
    size(page, 600, 600)
    board = page.find_element(By.CSS_SELECTOR, ".board")
    page.execute_script("arguments[0].scrollTo(400, 300)", board)
    moved = page.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "const corner = arguments[0].querySelector('th[data-key=name]').getBoundingClientRect();"
        "const group = arguments[0].querySelector('.groups').getBoundingClientRect();"
        "return [arguments[0].scrollLeft, arguments[0].scrollTop,"
        " corner.left - box.left, corner.top - box.top - group.height]",
        board,
    )
    assert moved[0] > 100
    assert moved[1] > 100
    assert abs(moved[2]) < 2
    assert abs(moved[3]) < 3


def test_differences_side_by_side_are_those_that_were_computed(start, chromium, tmp_path):
    store_panel(tmp_path / "results")
    index = build_leaderboard([tmp_path / "results"], tmp_path / "board")
    with opened(chromium, index.as_uri()) as page:
        for name in ("topk-k32-s0", "topk-k32-s1", "relu-s0", "pca-32"):
            page.find_element(By.XPATH, f"//a[text()='{name}']/preceding-sibling::input").click()
        row = next(
            one
            for one in page.find_elements(By.CSS_SELECTOR, "table.side tbody tr")
            if one.text.startswith("Loss recovered")
        )
        found = [one.text for one in row.find_elements(By.CSS_SELECTOR, ".delta")]
        assert ["not told apart" in text for text in found] == [True, False, False]
        assert all(text.endswith("told apart") for text in found)
        assert ["[" in text for text in found] == [True, False, True], "next to it; further away; the base"
        assert found[2].startswith("\u22120.3")


def test_without_javascript_every_board_is_a_sorted_table(start, address):
    still = start(javascript=False)
    still.get(address)
    tables = still.find_elements(By.CSS_SELECTOR, "table.results")
    shown = [table for table in tables if table.is_displayed()]
    assert len(shown) == 2
    lines = shown[0].find_elements(By.CSS_SELECTOR, "tbody tr")
    assert len(lines) == 16
    assert lines[0].text.startswith("identity")
    assert not still.find_element(By.CSS_SELECTOR, "form.tools").is_displayed()
    lines[1].find_element(By.CSS_SELECTOR, "th.name a").click()
    assert still.find_element(By.TAG_NAME, "h1").text.startswith("batchtopk-k64-s0")
    summary = still.find_element(By.XPATH, "//summary[contains(., 'Where these numbers come from')]")
    summary.click()
    assert "Result id" in still.find_element(By.TAG_NAME, "main").text
