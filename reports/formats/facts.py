"""Facts, each with its values."""

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from reports.formats.html import block_html
from reports.formats.words import escape_markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact and its values; `differs` where runs disagree."""

    name: str
    values: tuple[str, ...]
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactList:
    """Facts under one another (`long`) or side by side."""

    counted: ClassVar = ""
    name: ClassVar = ""
    lines: tuple[Fact, ...]
    long: bool = False

    def files(self) -> dict[str, str | bytes]:
        """Facts have no files of their own."""
        return {}

    def markdown(self) -> str:
        """The facts as a table."""
        lines = [f"| {escape_markdown(one.name)} | {escape_markdown('; '.join(one.values))} |" for one in self.lines]
        return "\n".join(["| fact | value |", "| --- | --- |", *lines]) + "\n"

    def html(self, number: int) -> Markup:
        """The facts on the page."""
        return block_html("facts", facts=self)
