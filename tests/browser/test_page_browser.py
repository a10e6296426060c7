"""The leaderboard in a real Chromium: what a reader sees, clicks and types."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from leaderboard_records import CARD, TASK, metrics, panel, record
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from saebench.report.page import write_page

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"
MARKS = ".plot .mark-symbol.role-mark path"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = record(HOSTILE, HOSTILE, None, 3, metrics(48.0, 0.9, 0.27, 0.01))
    page = write_page([*panel(), hostile], tmp_path_factory.mktemp("board"), "Board", cards={TASK: CARD})
    return page.as_uri()


@pytest.fixture(scope="module")
def chromium(start) -> Chrome:
    return start()


@pytest.fixture
def page(chromium: Chrome, address: str) -> Iterator[Chrome]:
    """The page, freshly loaded and drawn; afterwards the console must be silent and nothing was asked of any host."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1400, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    colour_scheme(chromium, "light")
    chromium.get(address)
    WebDriverWait(chromium, 30).until(lambda driver: len(driver.find_elements(By.CSS_SELECTOR, MARKS)) >= 20)
    yield chromium
    assert chromium.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith(address) for url in asked)
    assert [url for url in asked if not url.startswith((address, "data:", "about:", "chrome:"))] == []


def colour_scheme(driver: Chrome, name: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})


def heading(page: Chrome, title: str) -> WebElement:
    headings = page.find_elements(By.CSS_SELECTOR, "table.results thead th")
    return next(one for one in headings if one.text.replace("\n", " ").startswith(title))


def shown_rows(page: Chrome) -> list[WebElement]:
    return [row for row in page.find_elements(By.CSS_SELECTOR, "table.results tbody tr") if row.is_displayed()]


def shown_column(page: Chrome, title: str) -> list[str | None]:
    """Sort keys of a column as the reader meets them, top to bottom."""
    index = page.execute_script("return arguments[0].cellIndex", heading(page, title))
    return [
        page.execute_script("return arguments[0].cells[arguments[1]].dataset.value ?? null", row, index)
        for row in shown_rows(page)
    ]


def status(page: Chrome) -> str:
    return page.find_element(By.CSS_SELECTOR, "[role=status]").text


def numbers_then_undefined(values: list[str | None]) -> list[float]:
    numbers = [float(value) for value in values if value is not None]
    assert values[len(numbers) :] == [None] * (len(values) - len(numbers))
    return numbers


def test_opens_from_disk_without_error_or_request(page: Chrome) -> None:
    assert page.title == "Board"
    assert len(shown_rows(page)) == 16
    assert status(page) == "16 of 16 subjects, by Loss recovered, descending"


def test_a_click_sorts_best_first_and_a_second_one_turns_the_order(page: Chrome) -> None:
    for title, best_first in (("FVU", False), ("Explained variance", True), ("L0", False)):
        heading(page, title).find_element(By.TAG_NAME, "button").click()
        first = numbers_then_undefined(shown_column(page, title))
        assert first == sorted(first, reverse=best_first)
        assert heading(page, title).get_attribute("aria-sort") == ("descending" if best_first else "ascending")
        heading(page, title).find_element(By.TAG_NAME, "button").click()
        assert numbers_then_undefined(shown_column(page, title)) == first[::-1]
        assert len(page.find_elements(By.CSS_SELECTOR, "th[aria-sort]")) == 1


def test_names_sort_as_a_reader_counts(page: Chrome) -> None:
    heading(page, "Name").find_element(By.TAG_NAME, "button").click()
    names = [name for name in shown_column(page, "Name") if name and name.startswith(("pca", "random", "topk"))]
    assert names == ["pca-32", "pca-64", "random-32", "random-64", "topk-k32-s0", "topk-k64-s0"]


def test_keyboard_alone_sorts(page: Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "input.search").send_keys(Keys.TAB)
    for _ in range(40):
        if page.switch_to.active_element.text.startswith("KL"):
            break
        page.switch_to.active_element.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    values = numbers_then_undefined(shown_column(page, "KL"))
    assert values == sorted(values)
    assert status(page).endswith("by KL, ascending")
    assert page.switch_to.active_element.text.startswith("KL")


def test_search_and_filters_reduce_rows_and_say_so(page: Chrome) -> None:
    search = page.find_element(By.CSS_SELECTOR, "input.search")
    search.send_keys("BATCH s0")
    assert {row.find_element(By.TAG_NAME, "a").text for row in shown_rows(page)} == {
        "batchtopk-k32-s0",
        "batchtopk-k64-s0",
    }
    assert status(page).startswith("2 of 16")
    page.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    WebDriverWait(page, 5).until(lambda _: status(page).startswith("16 of 16"))
    Select(page.find_element(By.CSS_SELECTOR, "select.role")).select_by_value("control")
    assert len(shown_rows(page)) == 7
    Select(page.find_element(By.CSS_SELECTOR, "select.architecture")).select_by_visible_text("permuted")
    assert status(page).startswith("2 of 16")
    search.send_keys("no such subject")
    assert shown_rows(page) == []


def test_sorting_keeps_the_filter(page: Chrome) -> None:
    Select(page.find_element(By.CSS_SELECTOR, "select.role")).select_by_value("trained")
    heading(page, "FVU").find_element(By.TAG_NAME, "button").click()
    assert len(shown_rows(page)) == 7
    values = numbers_then_undefined(shown_column(page, "FVU"))
    assert values == sorted(values)


def test_plots_hold_a_mark_for_every_subject_with_a_place(page: Chrome) -> None:
    panels = page.find_elements(By.CSS_SELECTOR, ".plot")
    marks = [len(one.find_elements(By.CSS_SELECTOR, ".mark-symbol.role-mark path")) for one in panels]
    assert marks == [7, 14]
    rules = panels[0].find_elements(By.CSS_SELECTOR, ".mark-rule.role-mark line")
    assert len(rules) == 14
    assert "mean" in page.find_element(By.CSS_SELECTOR, ".left-out").text


def test_plots_follow_the_colour_scheme(page: Chrome) -> None:
    def label_colour() -> str | None:
        script = "return document.querySelector('.plot .role-axis-label text')?.getAttribute('fill')"
        return page.execute_script(script)

    light = label_colour()
    colour_scheme(page, "dark")
    WebDriverWait(page, 10).until(lambda _: label_colour() not in (light, None))


def test_a_name_opens_its_sheet(page: Chrome) -> None:
    link = next(one for one in page.find_elements(By.CSS_SELECTOR, "th.name a") if one.text == "topk-k32-s0")
    link.click()
    sheet = WebDriverWait(page, 5).until(lambda driver: driver.find_element(By.CSS_SELECTOR, "details.sheet[open]"))
    assert sheet.find_element(By.CSS_SELECTOR, ".who").text == "topk-k32-s0"
    assert panel()[0].id in sheet.text
    assert page.execute_script("return document.activeElement.closest('details.sheet') === arguments[0]", sheet)


def test_hostile_names_are_text_and_run_nothing(page: Chrome) -> None:
    assert page.find_elements(By.CSS_SELECTOR, "img") == []
    assert page.title == "Board"
    assert HOSTILE in [row.find_element(By.TAG_NAME, "a").text for row in shown_rows(page)]
    mark = next(one for one in page.find_elements(By.CSS_SELECTOR, MARKS) if HOSTILE in one.get_attribute("aria-label"))
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(page).move_to_element(mark).perform()
    tip = WebDriverWait(page, 5).until(
        lambda driver: driver.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible")
    )
    assert HOSTILE in tip.text
    assert page.find_elements(By.CSS_SELECTOR, "img") == []


@pytest.mark.parametrize("width", [360, 420, 800, 1400])
def test_only_the_table_scrolls_sideways(page: Chrome, width: int) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    for sheet in page.find_elements(By.CSS_SELECTOR, "details"):
        page.execute_script("arguments[0].open = true", sheet)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_header_and_the_names_stay_in_sight(page: Chrome) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 600, "height": 600, "deviceScaleFactor": 1, "mobile": False}
    )
    board = page.find_element(By.CSS_SELECTOR, ".board")
    page.execute_script("arguments[0].scrollTo(400, 300)", board)
    moved = page.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "const corner = arguments[0].querySelector('thead th').getBoundingClientRect();"
        "return [arguments[0].scrollLeft, arguments[0].scrollTop, corner.left - box.left, corner.top - box.top]",
        board,
    )
    assert moved[0] > 100
    assert moved[1] > 100
    assert abs(moved[2]) < 2
    assert abs(moved[3]) < 2


def test_without_javascript_the_sorted_table_is_there(start, address: str) -> None:
    still = start(javascript=False)
    still.get(address)
    rows = still.find_elements(By.CSS_SELECTOR, "table.results tbody tr")
    assert len(rows) == 16
    assert rows[0].text.startswith("identity")
    assert not still.find_element(By.CSS_SELECTOR, "form.tools").is_displayed()
    assert not still.find_element(By.CSS_SELECTOR, "figure").is_displayed()
    link = rows[1].find_element(By.CSS_SELECTOR, "th.name a")
    assert link.get_attribute("href").startswith(address + "#sheet-")
