"""Text on a terminal. Names and paths of others are never markup, nor commands to the terminal."""

import logging
import re
import sys
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment

# What moves the cursor, clears the screen, changes the order of letters, or is no text at all.
_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object) -> str:
    r"""The text with control characters as escapes: `\x1b`. Lines and tabs stay."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


@dataclass(frozen=True, slots=True)
class Plain:
    """What rich can draw, with all its text made plain."""

    drawing: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Every segment but rich's own commands."""
        for segment in console.render(self.drawing, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class _AllPlain(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [Plain(renderable) for renderable in renderables]


def in_notebook() -> bool:
    """Whether what is printed goes into a cell of a notebook."""
    return Console().is_jupyter


def terminal(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console that shows text as it is: no markup, no emoji codes, control characters as escapes.

    With `soft_wrap` long lines are left to the terminal, to be copied whole. What a `rich.live.Live` draws bypasses
    this: wrap it in a `Plain`. In a notebook it is plain text on standard output.
    """
    plainly = in_notebook()
    console = Console(
        stderr=stderr and not plainly, soft_wrap=soft_wrap, emoji=False, markup=False, highlight=False,
        force_jupyter=False, force_terminal=False if plainly else None,
    )  # fmt: skip
    console.push_render_hook(_AllPlain())
    return console


def print_line(text: object) -> None:
    """Print a result: plain on a terminal, as it is for programs."""
    print(plain(text) if sys.stdout.isatty() else text, flush=True)


class PlainFormatter(logging.Formatter):
    """Log lines with control characters as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return plain(super().format(record))
