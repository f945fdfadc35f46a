"""The page in headless Chromium: it says nothing on the console, fetches nothing, filters, unfolds and fits a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.conftest import Made, Twins

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opened = Callable[..., "Page"]

SHOWN = "[...document.querySelectorAll('.claim')].filter(one => !one.hidden)"
UNFOLD_EVERYTHING = "document.querySelectorAll('details').forEach(one => { one.open = true; })"


@pytest.fixture
def opened(made: Made, browser: Browser) -> Iterator[Opened]:
    """Open the page in a window; at the end, nothing may have been said on the console or fetched."""
    said: list[str] = []
    contexts = []

    def open_page(anchor: str = "", width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if is_foreign(request.url) else None)
        page.goto(f"{made.path.as_uri()}{anchor}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def is_foreign(address: str) -> bool:
    return not address.startswith(("file:", "data:"))


def test_the_filter_shows_claims_by_verdict_and_words(opened: Opened, made: Made) -> None:
    page = opened()
    counts = made.document["summary"]
    total = made.document["claims"]
    assert page.evaluate(f"{SHOWN}.length") == total
    page.get_by_label(f"refuted ({counts['refuted']})").uncheck()
    assert page.evaluate(f"{SHOWN}.length") == total - counts["refuted"]
    assert page.locator("#shown").text_content() == f"{total - counts['refuted']} of {total} claims shown."
    page.get_by_label("Containing").fill("lemma-3.2 only")
    assert page.evaluate(f"{SHOWN}.map(one => one.id)") == ["claim-lemma-3.2.unique"]
    assert page.evaluate("[...document.querySelectorAll('.group')].filter(one => !one.hidden).length") == 1
    page.get_by_label("Containing").fill("nothing is called so")
    assert page.evaluate(f"{SHOWN}.length") == 0
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"{SHOWN}.length === {total}")


def test_proofs_unfold_one_by_one_and_together(opened: Opened) -> None:
    page = opened()
    step = page.locator("#claim-lemma-3\\.2\\.minimum li").first
    assert not step.is_visible()
    page.locator("#claim-lemma-3\\.2\\.minimum summary").click()
    assert step.is_visible()
    page.get_by_label("Containing").fill("lemma-3.2")
    page.get_by_role("button", name="Open all shown").click()
    unfolded = "[...document.querySelectorAll('.claim[open]')]"
    assert page.evaluate(f"{unfolded}.every(one => one.dataset.words.includes('lemma-3.2'))")
    assert page.evaluate("document.querySelectorAll('.claim[open]').length") > 3
    page.get_by_role("button", name="Close all").click()
    assert page.evaluate("document.querySelectorAll('.claim[open]').length") == 0


def test_a_link_opens_the_claim_that_it_names_even_if_it_is_filtered_out(opened: Opened) -> None:
    page = opened("#claim-eq-6.bound")
    assert page.evaluate("document.getElementById('claim-eq-6.bound').open")
    page.get_by_label("Containing").fill("lemma-3.2")
    page.evaluate("location.hash = '#claim-section-3.weight'")
    page.wait_for_function("document.getElementById('claim-section-3.weight').open")
    assert page.locator("#claim-section-3\\.weight").is_visible()
    assert page.locator("#claim-section-3\\.weight").bounding_box()["y"] < 800  # type: ignore[index]


def test_the_page_works_by_keyboard(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.locator("#claim-eq-8\\.penalty summary").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('claim-eq-8.penalty').open")
    page.get_by_label("Containing").focus()
    page.keyboard.type("kernel")
    assert 0 < page.evaluate(f"{SHOWN}.length") < page.evaluate("document.querySelectorAll('.claim').length")


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_scrolls_sideways_on_a_small_screen_but_wide_tables_and_figures_inside(
    width: int, opened: Opened
) -> None:
    page = opened(width=width)
    page.evaluate(UNFOLD_EVERYTHING)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    text = "[...document.querySelectorAll('h1, h2, h3, p, dd, summary, button, input')]"
    outside = f"{text}.filter(one => !one.closest('.skip, .scroll'))"
    assert page.evaluate(f"Math.max(...{outside}.map(one => one.getBoundingClientRect().right))") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_accessibility_violation(scheme: str, opened: Opened, made: Made) -> None:
    """Contrast (AA), landmarks, labels, names, and the other rules of axe; a proof of each verdict is unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    page = opened(color_scheme=scheme)
    # The rules are slow, and what is left has one of everything.
    page.evaluate("document.querySelectorAll('tbody tr:nth-child(n+3), svg > *').forEach(one => one.remove())")
    page.evaluate(
        "document.querySelectorAll('.claim').forEach(one => { one.open = "
        "one === document.querySelector(`.claim[data-verdict=${one.dataset.verdict}]`); one.open || one.remove(); })"
    )
    assert page.evaluate("document.querySelectorAll('.claim').length") == len(made.document["summary"])
    found = axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    assert found.violations_count == 0, found.generate_report()


def test_the_dark_page_is_dark_and_its_figures_too(opened: Opened) -> None:
    page = opened(color_scheme="dark")
    brightness = "getComputedStyle({}).{}.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0)"
    assert page.evaluate(brightness.format("document.body", "backgroundColor")) < 150
    assert page.evaluate(brightness.format("document.querySelector('svg text')", "fill")) > 600


def test_on_paper_every_proof_is_open_and_afterwards_as_before(opened: Opened) -> None:
    page = opened()
    page.evaluate(
        "window.addEventListener('beforeprint', () => { window.open_in_print = "
        "document.querySelectorAll('details:not([open])').length; })"
    )
    before = page.evaluate("document.querySelectorAll('details[open]').length")
    page.pdf()
    assert page.evaluate("window.open_in_print") == 0
    assert page.evaluate("document.querySelectorAll('details[open]').length") == before


def test_what_is_printed_is_no_wider_than_the_paper(opened: Opened) -> None:
    """Or the whole page would be shrunk until it fits. A4 between its margins is 680 pixels wide."""
    page = opened(width=680)
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 680


def test_without_scripts_everything_is_there_and_the_filter_is_not(opened: Opened, made: Made) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".claim").count() == made.document["claims"]
    assert not page.locator("#filter").is_visible()
    page.locator("#claim-eq-6\\.bound summary").click()
    assert page.locator("#claim-eq-6\\.bound li").first.is_visible()


def test_names_and_fields_with_scripts_run_none(browser: Browser, twins: Twins) -> None:
    said: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if request.url.endswith("/x") else None)
    page.goto(twins.hostile.as_uri())
    assert "HOSTILE" in str(page.text_content("#pictures"))
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.querySelectorAll('img:not(.pixels)').length") == 0
    page.close()
    assert said == []


def test_the_policy_stops_a_script_that_came_into_the_page_and_not_the_filter(
    browser: Browser, made: Made, tmp_path: Path
) -> None:
    foreign = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'><style>body { color: red }</style>"
    altered = tmp_path / "page.html"
    altered.write_text(made.html.replace("<main", f"{foreign}<main"), encoding="utf-8")
    page = browser.new_page()
    page.goto(altered.as_uri())
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    page.get_by_label("Containing").fill("lemma-3.2 only")
    assert page.evaluate(f"{SHOWN}.length") == 1
    # Without the policy all of it would have an effect.
    altered.write_text(altered.read_text(encoding="utf-8").replace("Content-Security-Policy", "x"), encoding="utf-8")
    page.goto(altered.as_uri())
    assert page.evaluate("window.ran") == 1
    page.close()
