"""A headless Chromium for tests that look at the page as a reader does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

pytest.register_assert_rewrite("pages")

MISSING = "Chromium or its driver is missing: 'apt-get install chromium chromium-driver' brings both"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,1000",
)

Start = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts browsers, and ends them when the module is done."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    running = []

    def browser(*, javascript: bool = True) -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        prefs = {"download.default_directory": str(tmp_path_factory.mktemp("downloads"))}
        scripts = {} if javascript else {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", prefs | scripts)
        running.append(webdriver.Chrome(options=options, service=Service(executable_path=driver)))
        return running[-1]

    yield browser
    for one in running:
        one.quit()
