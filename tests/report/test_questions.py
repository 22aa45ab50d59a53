"""Questions that a newcomer has, and how far their answers are: on the first page or one click behind it, nothing unfolded.

`python -m tests.report.test_questions [PAGE]` prints clicks and seconds, of the committed report or of another page.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report import browsing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(bool(browsing.MISSING), reason=browsing.MISSING)

FIRST = Path(__file__).parents[2] / "reports" / "reference" / "report" / "report.html"
MOST_CLICKS = 1


@dataclass(frozen=True)
class Question:
    """`answer`: what a reader then sees, as a pattern; `behind`: the page whose link is followed first."""

    asked: str
    answer: str
    behind: str = ""


QUESTIONS = (
    Question("How much faster do four workers train?", r"4 workers get through \d"),
    Question("Does it still learn, and how soon?", r"AlexNet.* reaches \d+% "),
    Question(
        "Which algorithm, on my network and with my stragglers?", r"as fast as synchronous training for AlexNet on"
    ),
    Question("What do I gain at 4 workers on 1 Gbit/s?", r"AlexNet\s4\s1000 Mbit/s\s\D+\d", "network-emulated"),
    Question("Does delay cost accuracy?", r"delayed, 1 step late\s\S+\s+[\d,]+\s\d", "delay-measured"),
    Question("What if one machine is slow?", r"one worker 4 times slower\s\D+\d", "stragglers-emulated"),
    Question("What happens when a worker dies?", r"\d+ of \d+ runs went on after a fault"),
    Question("How much memory does each algorithm need?", r"asynchronous\s\d\.\d+\s\d", "memory-emulated"),
    Question("How close is each to the best that is possible?", r"layer-wise\s\S+\s+[\d.]+\s\d", "floor-emulated"),
    Question("Do the papers' claims hold?", r"\d+ confirmed, \d+ refuted"),
    Question("How far off are predictions?", r"the median error is\s\d", "predictions"),
    Question("Why should I believe any of this?", r"runs diverged"),
)


@dataclass(frozen=True)
class Found:
    clicks: int
    seconds: float  # until the page with the answer is there


def look(browser: Browser, first: Path, question: Question) -> Found | None:
    """The way to an answer; None where it is not to be seen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(browsing.PATIENCE_MS)
    page = context.new_page()
    began, clicks = time.monotonic(), 0
    page.goto(first.as_uri())
    if question.behind:
        page.locator(f"a[href*='{question.behind}.html']").first.click()
        clicks += 1
    page.wait_for_load_state()
    seconds = time.monotonic() - began
    seen = re.search(question.answer, page.inner_text("body"))
    context.close()
    return None if seen is None else Found(clicks, seconds)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as found:
        yield found


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.asked)
def test_every_answer_is_one_click_away(browser: Browser, question: Question) -> None:
    found = look(browser, FIRST, question)
    assert found is not None, "nothing that is to be seen says it"
    assert found.clicks <= MOST_CLICKS


def main(first: Path) -> None:
    with browsing.chromium() as browser:
        for question in QUESTIONS:
            found = look(browser, first, question)
            way = "not to be seen" if found is None else f"{found.clicks} clicks, {found.seconds:.2f} s"
            print(f"{question.asked:60} {way}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if sys.argv[1:] else FIRST)
