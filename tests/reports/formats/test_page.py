"""The page and the files: self-contained, escaped, readable by machines and ears."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up_store import ROWS, run_name, write_complete
from matplotlib import rc_context

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.formats.drawing import STYLE, svg_file, svg_inline, svg_text
from reports.formats.gallery import embed_picture
from reports.formats.page import markdown_report, page_html
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections import make_sections
from reports.sections.curves import curves, curves_figure, row_curves
from reports.sections.improvements import improvements_drawing, improvements_figure
from reports.sections.verdict import opening
from reports.write import write_report

Sweep = tuple[Store, SavedPlan]


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(numbers: SweepNumbers) -> str:
    return page_html(opening(numbers), make_sections(numbers))


def markdown_of(numbers: SweepNumbers) -> str:
    return markdown_report(opening(numbers), make_sections(numbers))


@pytest.fixture(scope="module")
def page(troubled_numbers: SweepNumbers) -> str:
    return page_of(troubled_numbers)


@pytest.fixture(scope="module")
def hostile_page(hostile_numbers: SweepNumbers) -> str:
    return page_of(hostile_numbers)


def test_no_request_leaves_the_page(page: str) -> None:
    found = Elements(page)
    assert found.all("link") == []
    for _, attributes in found.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/webp;base64,"))
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_policy_allows_only_the_pages_own_script(page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(
        tag["content"] for tag in Elements(page).all("meta") if tag.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_from_files_are_escaped(hostile_page: str) -> None:
    found = Elements(hostile_page)
    assert len(found.all("script")) == 1
    assert "<script>alert" not in hostile_page
    assert any("<script>alert('1')</script> $x_$ | & %" in text for text in found.text)


def test_messages_of_failed_runs_are_escaped(page: str) -> None:
    assert "at step 120 &lt;script&gt;" in page


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Elements(page).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_and_drawing_says_what_it_shows(page: str) -> None:
    found = Elements(page)
    assert len(found.all("img")) == 18
    assert all(image["alt"] for image in found.all("img"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in found.all("svg"))


def test_ids_are_unique(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_links_within_the_page_lead_somewhere(page: str) -> None:
    found = Elements(page)
    ids = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    assert {link["href"][1:] for link in found.all("a")} <= ids


def test_scrolling_parts_can_be_reached_by_keyboard(page: str) -> None:
    regions = [tag for tag in Elements(page).all("div") if tag.get("class") == "scroll"]
    assert regions
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_what_failed_or_is_missing_is_shown(page: str) -> None:
    text = " ".join(Elements(page).text)
    assert "22 of 25" in text
    assert "1 run has not started" in text
    assert "at epoch 12 of 30, stopped before its end" in text


def test_an_unstarted_sweep_still_makes_a_page(empty_numbers: SweepNumbers) -> None:
    text = " ".join(Elements(page_of(empty_numbers)).text)
    assert "Nothing has finished yet" in text
    assert "No finished run has recorded where it came from" in text


def test_drawings_of_nothing_are_not_made(empty_numbers: SweepNumbers) -> None:
    assert curves(empty_numbers) is None
    assert improvements_drawing(empty_numbers) is not None  # the paper's improvements remain


def test_drawings_show_every_row_by_name(complete_numbers: SweepNumbers) -> None:
    names = [row.name for row in complete_numbers.rows]
    (axes,) = improvements_figure(complete_numbers, complete_numbers.rows[1:]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == names[1:]
    found = {row.name: row_curves(row, complete_numbers)["val/AP"] for row in complete_numbers.rows}
    with rc_context(STYLE):
        panels = curves_figure(complete_numbers, "val/AP", found)
    (axes,) = panels.axes
    assert [one.get_text() for one in axes.texts] == names


def test_an_interval_past_the_edge_ends_in_an_arrowhead(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=3, rows=ROWS[:2])
    file = store.root / run_name(1, 0) / "result.json"
    result = json.loads(file.read_text())
    result["metrics"]["AP"] -= 0.05
    file.write_text(json.dumps(result))
    numbers = aggregate(store, plan)
    figure = improvements_figure(numbers, numbers.rows[1:])
    assert "<" in {str(line.get_marker()) for line in figure.axes[0].lines}


def test_an_inline_drawing_takes_the_pages_colours_and_carries_its_key(complete_numbers: SweepNumbers) -> None:
    figure = improvements_figure(complete_numbers, complete_numbers.rows[1:])
    text = svg_inline(svg_text(figure, "one"), "one", title="<b> & more")
    root = ET.fromstring(text)
    assert root.get("aria-label") == "<b> & more"
    assert "var(--ours)" in text
    assert "#0072b2" not in text
    assert all(element.get("id", "one-").startswith("one-") for element in root.iter())


def test_the_same_figure_gives_the_same_file(complete_numbers: SweepNumbers) -> None:
    drawn = [improvements_figure(complete_numbers, complete_numbers.rows[1:]) for _ in range(2)]
    assert len({svg_file(svg_text(figure, "key")) for figure in drawn}) == 1


def test_a_wide_picture_is_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    assert cv2.imwrite(str(path), np.zeros((200, 2000, 3), np.uint8))
    found = embed_picture(path, max_width=500)
    assert found is not None
    assert (found.width, found.height) == (500, 50)
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(found.uri.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (50, 500, 3)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    assert embed_picture(path) is None


def test_all_files_are_written_and_the_markdown_finds_its_drawings(own_store: Sweep, tmp_path: Path) -> None:
    files = write_report(*own_store, tmp_path / "new" / "report")
    for path in (files.markdown, files.html, files.latex, *files.parts):
        assert path.stat().st_size > 0
    text = files.markdown.read_text(encoding="utf-8")
    named = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {files.markdown.parent / name for name in named} <= {part for part in files.parts if part.suffix == ".svg"}
    assert "Provenance" in text
    assert "c0ffee0123456789" not in text
    assert "c0ffee0123456789" in files.html.read_text(encoding="utf-8")


def test_the_same_store_gives_the_same_bytes(own_store: Sweep, tmp_path: Path) -> None:
    first, second = (write_report(*own_store, tmp_path / name) for name in ("one", "two"))
    for ours, again in zip(
        (first.markdown, first.html, *first.parts),
        (second.markdown, second.html, *second.parts),
        strict=True,
    ):
        assert ours.read_bytes() == again.read_bytes()


def test_markdown_escapes_names_and_says_what_failed(
    hostile_numbers: SweepNumbers, troubled_numbers: SweepNumbers
) -> None:
    assert "<script>" not in markdown_of(hostile_numbers)
    text = markdown_of(troubled_numbers)
    assert "<script>" not in text
    assert "the loss is NaN at step 120" in text


def test_the_summary_is_one_sentence_and_the_table(own_store: Sweep, tmp_path: Path) -> None:
    sentence, table = write_report(*own_store, tmp_path).summary.split("\n\n", 1)
    assert sentence.startswith("“all” has the highest mean, 37.1 ± 0.0 AP against")
    assert "| all | ✓ | ✓ | ✓ | ✓ |" in table


def test_a_report_without_pictures_shows_nobody(own_store: Sweep, tmp_path: Path) -> None:
    shown = page_of(aggregate(*own_store))
    hidden = write_report(*own_store, tmp_path, pictures=False).html.read_text()
    assert "data:image/" in shown
    assert "data:image/" not in hidden
    assert "<svg" in hidden
