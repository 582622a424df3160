"""The page in a real browser: nothing is fetched, tables sort and filter by keyboard, pictures open, it prints."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CONTRASTS, PATIENCE, chromium, needs_chromium
from made_up_coco import write_coco
from playwright.sync_api import Browser, Page, expect

from reports.formats.page import page_html
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections import make_sections
from reports.sections.verdict import opening

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(troubled_numbers: SweepNumbers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(troubled_numbers, tmp_path_factory.mktemp("report"))


def written(numbers: SweepNumbers, folder: Path) -> Path:
    """The page of these numbers, in a file."""
    html = folder / "report.html"
    html.write_text(page_html(opening(numbers), make_sections(numbers)), encoding="utf-8")
    return html


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    yield page
    assert problems == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    context.close()


def column(page: Page, table: str, place: int) -> list[str]:
    """The texts of one column of a table, of the rows that are shown."""
    return page.locator(f"#{table} tbody tr:visible > :nth-child({place})").all_inner_texts()


def test_a_table_sorts_by_keyboard_and_gives_its_order_back(page: Page) -> None:
    before = column(page, "table-results", 6)
    button = page.locator("#table-results-sort-5")
    button.focus()
    page.keyboard.press("Enter")
    head = page.locator("#table-results thead tr:last-child th").nth(5)
    expect(head).to_have_attribute("aria-sort", "ascending")
    values = [float(text.split()[0]) for text in column(page, "table-results", 6)]
    assert values == sorted(values)
    page.keyboard.press("Space")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(text.split()[0]) for text in column(page, "table-results", 6)] == sorted(values, reverse=True)
    page.keyboard.press("Enter")
    assert column(page, "table-results", 6) == before


def test_gaps_stay_last_whichever_way_a_table_is_sorted(page: Page) -> None:
    page.locator("#runs > summary").click()
    for _ in range(2):
        page.locator("#table-runs-sort-4").click()
        assert column(page, "table-runs", 5)[-1] == "–"


def test_a_filter_keeps_the_rows_that_hold_its_words(page: Page) -> None:
    page.locator("#runs > summary").click()
    box = page.get_by_label("Filter rows").last
    box.fill("finished KT")
    shown = column(page, "table-runs", 1)
    assert set(shown) == {"KT", "KT+VT"}
    assert page.locator("#runs .filter output").inner_text() == f"{len(shown)} of 25 rows"
    box.fill("-finished")
    assert len(column(page, "table-runs", 1)) == 3
    box.fill("")
    assert len(column(page, "table-runs", 1)) == 25


def test_more_columns_are_shown_when_asked_for(page: Page) -> None:
    head = page.locator("#table-results thead th", has_text="AP, last epoch")
    expect(head).to_be_hidden()
    page.locator("#more-results").check()
    expect(head).to_be_visible()


def test_pictures_open_large_and_step_by_key(page: Page) -> None:
    page.locator(".gallery .zoom").first.click()
    dialog = page.locator("dialog")
    expect(dialog).to_be_visible()
    first = dialog.locator("img").get_attribute("alt")
    page.keyboard.press("ArrowRight")
    assert dialog.locator("img").get_attribute("alt") != first
    page.keyboard.press("ArrowLeft")
    assert dialog.locator("img").get_attribute("alt") == first
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_latex_is_copied_by_its_button(page: Page) -> None:
    page.locator("#latex-results summary").click()
    source = page.locator("#latex-results textarea")
    page.locator("#latex-results .copy").click()
    expect(page.locator("#latex-results .copy")).to_have_text("Copied")
    chosen = page.evaluate(
        "(id) => { const s = document.querySelector(id); return s.selectionEnd - s.selectionStart }",
        "#latex-results textarea",
    )
    assert chosen == len(source.input_value())
    assert source.input_value().startswith(r"% \usepackage{booktabs")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(browser: Browser, report: Path, tmp_path: Path, scheme: Any) -> None:
    """In losses with failed runs and a matrix on COCO, which together have nearly every section."""
    coco = written(aggregate(*write_coco(tmp_path / "runs")), tmp_path)
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # the policy refuses axe's script
    page = context.new_page()
    for html in (report, coco):
        page.goto(html.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
        assert [fault["id"] for fault in Axe().run(page).response["violations"]] == []
    context.close()


def test_the_report_is_short(browser: Browser, complete_numbers: SweepNumbers, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(written(complete_numbers, tmp_path).as_uri())
    assert page.evaluate("document.documentElement.scrollHeight") <= 8 * 900
    assert page.evaluate(r"document.body.innerText.split(/\s+/).length") <= 900
    for what in (".headline", "#table-results", "#figure-improvements"):
        box = page.locator(what).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, f"{what} ends below the first screen"
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) < 8
    assert len(printed) < 5e6
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_its_ground(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 200
    assert [one for one in found if one["ratio"] < 4.5] == []


def test_everything_that_can_be_pressed_has_a_name_and_shows_its_focus(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, a, input, textarea, summary')].filter((one) => "
        "!(one.getAttribute('aria-label') || one.innerText || one.labels?.length || one.closest('dialog'))).length"
    )
    assert nameless == 0
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_headings_and_tables_are_built_for_ears(page: Page) -> None:
    levels = page.evaluate("() => [...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("[...document.querySelectorAll('table')].every((one) => one.caption && one.tHead)")
    assert page.evaluate("[...document.querySelectorAll('tbody tr')].every((one) => one.cells[0].scope === 'row')")
    assert page.evaluate("[...document.images].every((one) => one.alt.length > 10)")


def test_a_narrow_page_does_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_it_prints_without_what_only_a_screen_can_use(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    for what in (".filter", ".latex", ".more", ".part"):
        assert not page.locator(what).first.is_visible()
    wide = page.evaluate("[...document.querySelectorAll('main > section > *')].map((one) => one.scrollWidth)")
    assert max(wide) <= 1280
    assert page.pdf(path=tmp_path / "report.pdf", format="A4").startswith(b"%PDF")


def test_a_name_from_a_file_runs_nothing(browser: Browser, hostile_numbers: SweepNumbers, tmp_path: Path) -> None:
    html = written(hostile_numbers, tmp_path)
    page = browser.new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(html.as_uri())
    assert page.locator("#table-results tbody th").nth(1).inner_text().startswith("<script>alert('1')</script>")
    assert alerts == []
    page.close()
