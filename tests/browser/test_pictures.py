"""A screenshot of each view, for the eye: `SAEBENCH_PICTURES=FOLDER pytest tests/browser/test_pictures.py` keeps them.

What can be checked without an eye is checked: nothing complains, nothing is asked of any host, the view is what its
address says, and no text stands on another.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from leaderboard_records import TASK
from made_up_nights import three
from pages import drawn, look, names, opened, picture, size
from scored_panel import store_panel
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from saebench.nightly.history import write_history
from saebench.report.leaderboard import build_leaderboard
from saebench.results.store import ResultStore

pytestmark = pytest.mark.browser

VIEWS = {
    "index": ("index.html", 1400, "light", "screen"),
    "index-dark": ("index.html", 1400, "dark", "screen"),
    "index-narrow": ("index.html", 390, "light", "screen"),
    "index-print": ("index.html", 1100, "dark", "print"),
    "filtered": (f"index.html#role=trained&sort=quick/{TASK}/fvu&x=quick/{TASK}/kl", 1400, "light", "screen"),
    "card": (f"cards/{TASK}.html", 1200, "light", "screen"),
    "card-dark": (f"cards/{TASK}.html", 1200, "dark", "screen"),
}
OVERLAPS = """
const boxes = [...document.querySelectorAll("h1, h2, h3, th button, td b, td small, th.name a, label, figcaption")]
  .filter((one) => one.checkVisibility() && !one.closest(".vega-embed") && !one.closest(".board"))
  .map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
return boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
  .filter(([other, b]) => !one.contains(other) && !other.contains(one))
  .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
  .map(([other]) => one.textContent + " | " + other.textContent));
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small panel that was run twice, one subject of which nightly watches."""
    folder = tmp_path_factory.mktemp("nights")
    store_panel(folder / "first")
    first = ResultStore(folder / "first")
    for record in first.all():
        later = record.provenance.model_copy(update={"finished": "2026-11-21T10:04:00Z"})
        ResultStore(folder / "second").write(record.model_copy(update={"provenance": later}), first.items(record))
    write_history(folder / "nights", three())
    return build_leaderboard([folder / "first", folder / "second", folder / "nights"], folder / "board").parent


@pytest.fixture(scope="module")
def chromium(start) -> Chrome:
    return start()


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("SAEBENCH_PICTURES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seen(page: Chrome, album: Path, name: str) -> None:
    assert page.execute_script(OVERLAPS) == []
    picture(page, album / f"{name}.png")
    assert (album / f"{name}.png").stat().st_size > 10_000, "an empty page"


@pytest.mark.parametrize("name", VIEWS)
def test_each_view(chromium, site, album, name):
    address, width, scheme, media = VIEWS[name]
    with opened(chromium, f"{site.as_uri()}/{address}") as page:
        size(page, width, 1000)
        look(page, scheme, media)
        if address.startswith("index.html"):
            drawn(page)
        seen(page, album, name)


def test_side_by_side(chromium, site, album):
    with opened(chromium, f"{site.as_uri()}/index.html") as page:
        drawn(page)
        for name in ("topk-k32-s0", "topk-k32-s1", "relu-s0", "pca-32"):
            page.find_element(By.XPATH, f"//a[text()='{name}']/preceding-sibling::input").click()
        seen(page, album, "side-by-side")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_subject(chromium, site, album, scheme):
    page_file = next((site / "subjects").glob("topk-k32-s0-*.html"))
    with opened(chromium, page_file.as_uri()) as page:
        look(page, scheme)
        for one in page.find_elements(By.TAG_NAME, "details"):
            page.execute_script("arguments[0].open = true", one)
        seen(page, album, f"subject-{scheme}")
        drawn_nights = [
            len(one.find_elements(By.TAG_NAME, "circle")) for one in page.find_elements(By.CLASS_NAME, "trend")
        ]
        assert drawn_nights == [2, 3, 3]


def test_without_javascript(start, site, album):
    still = start(javascript=False)
    still.get(f"{site.as_uri()}/index.html")
    picture(still, album / "still.png")
    shown = [one.text for one in still.find_elements(By.CSS_SELECTOR, "noscript th.name a")]
    assert shown[0] == "identity"


def test_printing_shows_every_row(chromium, site):
    with opened(chromium, f"{site.as_uri()}/index.html") as page:
        page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        assert len(names(page)) == 6
