"""A report as one HTML page that needs nothing else, and as Markdown."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from reports.formats.html import environment, source
from reports.formats.words import escape_markdown


class Block(Protocol):
    """A part of a section, which every format asks to show itself."""

    @property
    def name(self) -> str:
        """A word unique in a report: the stem of its files."""

    @property
    def counted(self) -> str:
        """What it is numbered as: Table, Figure or nothing."""

    def html(self, number: int) -> Markup:
        """The block on the page, escaped; empty where it has nothing to show there."""

    def markdown(self) -> str:
        """The block in Markdown; empty where it has nothing to show there."""

    def files(self) -> dict[str, str | bytes]:
        """The files that it leaves, by their names below the report."""


def there(*blocks: Block | None) -> tuple[Block, ...]:
    """The blocks that there are."""
    return tuple(block for block in blocks if block is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report: `key` is its anchor. A `folded` one is opened on the page, and not in Markdown."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    after: tuple[str, ...] = ()
    folded: bool = False

    @property
    def narrow(self) -> bool:
        """Whether another may stand beside it: it is one drawing."""
        return len(self.blocks) == 1 and self.blocks[0].counted == "Figure" and self.key != "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a report begins with: the claim, what supports or limits it, how many runs of which sweep on what data."""

    title: str
    sweep: str
    profile: str
    headline: str
    support: tuple[str, ...]
    finished: str
    data: str = ""

    @property
    def kicker(self) -> str:
        """What is reported on, in a line."""
        data = f"; {self.data}" if self.data else ""
        return f"{self.sweep}, profile {self.profile}: {self.finished} runs finished{data}"


def page_html(opening: Opening, sections: Sequence[Section], *, version: str = "") -> str:
    """The whole page. Its content security policy forbids every request and every script but the page's own.

    Args:
        opening: what it begins with.
        sections: the parts of the report.
        version: of a page that is served while the sweep runs: it asks its own server for a newer one.
    """
    scripts = [source("report.js"), *([source("live.js")] if version else [])]
    policy = [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'",
        "script-src " + " ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        *(["connect-src 'self'"] if version else []),
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    return (
        environment()
        .get_template("report.html")
        .render(
            opening=opening,
            sections=_numbered([one for one in sections if not one.folded] + [one for one in sections if one.folded]),
            style=Markup(source("report.css")),
            scripts=[Markup(script) for script in scripts],
            policy="; ".join(policy),
            version=version,
        )
    )


def _numbered(sections: Sequence[Section]) -> list[tuple[Section, list[Markup]]]:
    """The sections with their blocks as HTML; tables and figures are numbered through the page."""
    counts: dict[str, int] = {}
    found: list[tuple[Section, list[Markup]]] = []
    for section in sections:
        shown = []
        for block in section.blocks:
            number = counts.get(block.counted, 0) + 1
            html = block.html(number)
            if html:
                counts[block.counted] = number
                shown.append(html)
        found.append((section, shown))
    return found


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def markdown_report(opening: Opening, sections: Sequence[Section]) -> str:
    """The report in Markdown without folded sections, its drawings as files beside it. Names from files are escaped."""

    def lines(sentences: Sequence[str]) -> list[str]:
        return [escape_markdown(sentence) + "\n" for sentence in sentences]

    parts = [
        f"# {escape_markdown(opening.title)}\n",
        f"**{escape_markdown(opening.headline)}**\n",
        *lines(opening.support),
        f"{escape_markdown(opening.kicker)}.\n",
    ]
    for section in sections:
        body = list(filter(None, (block.markdown() for block in section.blocks)))
        if not section.folded and (body or not section.blocks):
            parts += [f"## {escape_markdown(section.title)}\n", *lines(section.text), *body, *lines(section.after)]
    folded = [section.title for section in sections if section.folded]
    if folded:
        parts += lines([f"In report.html: {', '.join(folded)}. Every table is in tables/ as CSV."])
    return "\n".join(parts)
