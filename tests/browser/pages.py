"""Driving the leaderboard as a reader does: what the tests of its pages share."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

MARKS = ".plot .mark-symbol.role-mark path"


def size(driver: Chrome, width: int, height: int) -> None:
    wanted = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wanted)


def look(driver: Chrome, scheme: str = "light", media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@contextmanager
def opened(driver: Chrome, address: str) -> Iterator[Chrome]:
    """The page, freshly loaded; afterwards the console must be silent and nothing was asked of any host."""
    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    size(driver, 1400, 1000)
    look(driver)
    driver.get(address)
    yield driver
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    folder = address.partition("#")[0].rpartition("/")[0]
    assert any(url.startswith(folder) for url in asked)
    assert [url for url in asked if not url.startswith((folder, "data:", "about:", "chrome:", "blob:null"))] == []


def drawn(driver: Chrome) -> None:
    """Wait until the plots are there."""
    WebDriverWait(driver, 60).until(lambda one: one.find_elements(By.CSS_SELECTOR, MARKS))


def heading(page: Chrome, title: str) -> WebElement:
    headings = page.find_elements(By.CSS_SELECTOR, "#board thead th[data-key]")
    return next(one for one in headings if one.text.replace("\n", " ").startswith(title))


def sort_by(page: Chrome, title: str) -> None:
    heading(page, title).find_element(By.CSS_SELECTOR, "button.sort").click()


def rows(page: Chrome) -> list[WebElement]:
    return page.find_elements(By.CSS_SELECTOR, "#board tbody tr")


def names(page: Chrome) -> list[str]:
    return page.execute_script("return [...document.querySelectorAll('#board th.name a')].map((a) => a.textContent)")


def column(page: Chrome, title: str) -> list[float | None]:
    """The values of a column as they are read, top to bottom."""
    at = page.execute_script("return arguments[0].cellIndex", heading(page, title))
    script = (
        "return [...document.querySelectorAll('#board tbody tr')]"
        ".map((row) => row.cells[arguments[0]].querySelector('b')?.textContent ?? null)"
    )
    return [None if text is None else number(text) for text in page.execute_script(script, at)]


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def numbers_then_undefined(values: list[float | None]) -> list[float]:
    numbers = [value for value in values if value is not None]
    assert values[len(numbers) :] == [None] * (len(values) - len(numbers))
    return numbers


def status(page: Chrome) -> str:
    return page.find_element(By.CSS_SELECTOR, "[role=status]").text


def choose(page: Chrome, name: str, value: str) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))"
    page.execute_script(script, page.find_element(By.NAME, name), value)


def fragment(page: Chrome) -> dict[str, str]:
    """The permalink's parts."""
    text = page.execute_script("return location.hash.slice(1)")
    return {key: unquote(value) for key, _, value in (part.partition("=") for part in text.split("&") if "=" in part)}


def picture(page: Chrome, file: Path) -> None:
    """A screenshot of the whole page, for looking at."""
    whole = page.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": whole["width"], "height": min(whole["height"], 4000), "scale": 1}
    wanted = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    file.write_bytes(base64.b64decode(page.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]))
