"""The site builds without a warning, and shows what GitHub shows."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from markdown_it import MarkdownIt

pytest.importorskip("material", reason="no MkDocs here: uv sync --group docs")
ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "api.md"]  # that one is of docstrings


class Parts(HTMLParser):
    """How many tables, list items, ... the article of a page has, and what it links to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counts = dict.fromkeys(("table", "tr", "li", "pre", "img", "h2", "h3"), 0)
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.counts:
            self.counts[tag] += 1
        self.links |= {urldefrag(value).url for name, value in attrs if name in ("href", "src") and value}


def article_of(html: str) -> str:
    return re.findall(r"<article.*?>(.*)</article>", html, re.DOTALL)[0]


def site_file(site: Path, page: Path) -> Path:
    path = page.relative_to(ROOT / "docs").with_suffix("")
    return site / (path.parent if path.name == "README" else path) / "index.html"


def test_the_site_builds_without_a_warning_and_shows_what_github_shows(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    for page in PAGES:
        github = Parts(MarkdownIt("gfm-like", {"linkify": False}).render(page.read_text(encoding="utf-8")))
        html = site_file(tmp_path, page).read_text(encoding="utf-8")
        assert Parts(article_of(html)).counts == github.counts, page.name
    for html in tmp_path.rglob("index.html"):
        links = {link for link in Parts(article_of(html.read_text(encoding="utf-8"))).links if ":" not in link}
        assert {link for link in links if not (html.parent / link).exists()} == set(), html
    assert (tmp_path / "source" / "sweeps" / "losses.yaml" / "index.html").is_file()
    assert 'id="distilpose.load"' in (tmp_path / "api" / "index.html").read_text(encoding="utf-8")
