"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
MISSING = "" if CHROMIUM else "no Chromium is installed (apt-get install chromium)"
if not MISSING and importlib.util.find_spec("playwright") is None:
    MISSING = "playwright is not installed (pip install playwright)"

# /dev/shm is small in many containers, and root has no sandbox.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE_MS = 100_000  # a slow machine is no failure; the time limit of the tests ends what hangs


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        yield browser
        browser.close()


def first_paint(page: Page) -> float:
    """Milliseconds from the beginning of the navigation to the first paint."""
    found: float = page.evaluate(
        """new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()[0].startTime))
            .observe({ type: "paint", buffered: true }))"""
    )
    return found


def shifts(page: Page) -> float:
    """How much of what was drawn has moved since, by Chromium's own measure; 0 where nothing did."""
    found: float = page.evaluate(
        """new Promise((done) => { let sum = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
                .observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done(sum), 50); })"""
    )
    return found
