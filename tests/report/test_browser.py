"""The page in a real browser: no error, no request to anywhere, tables that sort, names for those who cannot see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from suite.report.charts import style
from tests.report import browsing, golden

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(bool(browsing.MISSING), reason=browsing.MISSING)

SMALLEST_TEXT = 4.5  # contrast that WCAG 2 AA asks of text

# Contrast of every piece of text against what lies behind it, worked out in the page.
CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || ["SCRIPT", "STYLE"].includes(element.tagName) || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement;
    const pair = [luminance(parse(svg ? style.fill : style.color)), luminance(behind(element))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), element.tagName, element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.fixture(scope="module")
def report() -> Path:
    """As it is committed: tests/report/test_golden.py holds it to what is rendered."""
    return golden.REPORT / "report.html"


PAGES = ("report", "pages/quick-emulated", "pages/claims", "pages/trust")
WIDTHS = (1280, 400)


def page_of(report: Path, name: str) -> Path:
    return report.parent / f"{name}.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as found:
        yield found


class Visit:
    """A page that was opened, and everything it complained about or asked for."""

    def __init__(self, browser: Browser, report: Path, **options: Any) -> None:
        settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(browsing.PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(report.as_uri())

    def unfold(self) -> None:
        self.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Visit]:
    """Of the page of an experiment, all of it open."""
    found = Visit(browser, page_of(report, "pages/quick-emulated"))
    found.unfold()
    yield found
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_load_without_error_ask_nobody_do_not_move_and_fit(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    for name in PAGES:
        address = page_of(report, name)
        visit = Visit(browser, address, viewport={"width": width, "height": 900}, color_scheme=scheme)
        assert browsing.first_paint(visit.page) > 0  # how soon is for `make microbench` to say
        assert browsing.shifts(visit.page) == 0
        visit.unfold()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, name
        wide = visit.page.eval_on_selector_all(
            "table",
            "(all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML)",
        )
        assert not wide, (name, wide[0][:300])
        worst = visit.page.evaluate(CONTRASTS)
        assert worst[0][0] >= SMALLEST_TEXT, (name, worst[:5])
        assert visit.said == []
        pictures = (report.parent / "figures").as_uri() + "/"
        assert visit.asked[0] == address.as_uri()
        assert all(one.startswith(pictures) for one in visit.asked[1:])
        assert bool(visit.asked[1:]) == ("pages/" in name and bool(visit.page.locator(".drawing").count())), name
        visit.context.close()


PAUSE = 1.0  # seconds between the two halves of a page


@contextmanager
def halting(content: bytes) -> Iterator[str]:
    """The address of a page whose second half comes late."""

    class Halting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            time.sleep(PAUSE)
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Halting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_nothing_is_shown_before_all_is_there(browser: Browser, report: Path) -> None:
    """Else tables widen, and what follows them moves, while a slow machine reads on."""
    context = browser.new_context()
    context.set_default_timeout(browsing.PATIENCE_MS)
    page = context.new_page()
    with halting(report.read_bytes()) as address:
        page.goto(address)
        assert browsing.first_paint(page) >= 1000 * PAUSE
        assert browsing.shifts(page) == 0
    context.close()


def test_the_first_screen_holds_the_three_pictures(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report)
    tops = visit.page.eval_on_selector_all(
        "#answer .beside > section > h3", "(all) => all.map((one) => one.getBoundingClientRect().top)"
    )
    visit.context.close()
    assert len(tops) == 3
    assert max(tops) < 450


def texts(page: Page, table: str, column: int) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        f"#{table} tbody tr",
        f"(rows) => rows.map((row) => row.cells[{column}].dataset.word ?? row.cells[{column}].textContent)",
    )
    return found


def test_tables_sort_by_number_and_by_word_and_unknown_stays_last(visit: Visit) -> None:
    page = visit.page
    name = "table-quick-emulated-speed"
    headings = page.eval_on_selector_all(f"#{name} th", "(all) => all.map((one) => one.textContent)")
    step = headings.index("step, ms")
    assert any(text.startswith("–") for text in texts(page, name, step))

    def column() -> list[float]:
        return [float(text.split()[0].replace(",", "")) for text in texts(page, name, step) if not text.startswith("–")]

    button = page.locator(f"#{name} th button").nth(step)
    button.click()
    assert column() == sorted(column())
    assert page.locator(f"#{name} th").nth(step).get_attribute("aria-sort") == "ascending"
    assert texts(page, name, step)[-1].startswith("–")
    button.click()
    assert column() == sorted(column(), reverse=True)
    assert texts(page, name, step)[-1].startswith("–")
    assert page.locator(f"#{name} th[aria-sort]").count() == 1
    word = headings.index("algorithm")
    page.locator(f"#{name} th button").nth(word).click()
    assert texts(page, name, word) == sorted(texts(page, name, word))


def test_a_keyboard_is_enough(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = page.locator("#table-quick-emulated-speed th button").first
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table-quick-emulated-speed th").first.get_attribute("aria-sort") == "ascending"
    # What scrolls can be reached without a mouse, and what is folded is a summary, which every keyboard opens.
    assert page.eval_on_selector_all(".drawing:not(.narrow)", "(all) => all.every((one) => one.tabIndex === 0)")
    assert page.locator("details:not(:has(> summary))").count() == 0


def test_a_link_into_a_fold_opens_it(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report)
    visit.page.locator("#map a, #learning a").first.click()
    visit.page.wait_for_url("**#runs")
    assert visit.page.locator("#runs").evaluate("(one) => one.open")
    visit.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_those_who_listen_are_told(browser: Browser, report: Path, name: str) -> None:
    visit = Visit(browser, page_of(report, name))
    visit.unfold()
    page = visit.page
    for one in page.locator(".drawing").all():
        assert one.get_attribute("role") == "img"
        assert len(one.get_attribute("aria-label") or "") > 40
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("th:not([scope])").count() == 0
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.locator("nav[aria-label]").count() == (name != "report")
    assert page.evaluate("document.documentElement.lang") == "en"
    visit.context.close()


def test_charts_have_something_on_them(browser: Browser, report: Path) -> None:
    visit = Visit(browser, report)
    sizes = visit.page.eval_on_selector_all(
        ".drawing svg",
        """(all) => all.map((one) => [one.getBoundingClientRect().width, one.querySelectorAll("path, use").length,
            one.querySelectorAll("text").length])""",
    )
    visit.context.close()
    assert sizes
    for width, shapes, words in sizes:
        assert width > 300 and shapes >= 5 and words > 3


def test_pages_behind_the_first_show_the_files_of_their_figures(visit: Visit) -> None:
    """As large as their charts are drawn, whatever HTML was told; the files have their own tests."""
    images = visit.page.eval_on_selector_all(
        ".drawing img", "(all) => all.map((one) => [one.complete, one.naturalWidth, one.width, one.naturalHeight])"
    )
    assert images
    for complete, natural, width, height in images:
        assert complete and natural > 300 and height > 100
        assert 300 < width <= natural + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_file_has_the_paper_of_the_page_it_is_on(browser: Browser, report: Path, scheme: str) -> None:
    figure = min((report.parent / "figures").glob("*.svg"))
    visit = Visit(browser, figure, color_scheme=scheme)
    paper = visit.page.eval_on_selector("g path", "(one) => getComputedStyle(one).fill")
    words = visit.page.eval_on_selector("text", "(one) => getComputedStyle(one).fill")
    visit.context.close()
    wanted = getattr(style.PAPER, scheme)
    assert paper == f"rgb({', '.join(str(int(wanted[place : place + 2], 16)) for place in (1, 3, 5))})"
    assert words != paper
    assert visit.said == []


def test_without_script_everything_is_there(browser: Browser, report: Path) -> None:
    visit = Visit(browser, page_of(report, "pages/quick-emulated"), java_script_enabled=False)
    assert visit.page.locator("tbody tr").count() > 30
    assert visit.page.locator("th button").count() == 0
    visit.context.close()


def test_it_prints(browser: Browser, report: Path) -> None:
    visit = Visit(browser, page_of(report, "pages/quick-emulated"))
    visit.page.emulate_media(media="print")
    assert visit.page.locator("nav").is_hidden()
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    printed = visit.page.pdf()
    visit.context.close()
    assert paper == "rgb(255, 255, 255)"
    assert printed.startswith(b"%PDF") and len(printed) > 50_000
