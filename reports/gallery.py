"""Pictures with their captions as one HTML page that needs nothing else."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.formats.embed import embed_picture

_WIDEST = 1600


class Figure(NamedTuple):
    """A picture file, what it shows in a line, and a sentence or two about it."""

    file: Path
    heading: str
    caption: str


def gallery_page(title: str, lead: str, figures: Sequence[Figure]) -> str:
    """The page, pictures inside; a file that is gone is said to be.

    No request leaves it, it runs no script, and whatever came from a file is escaped.
    """
    shown = [(figure, embed_picture(figure.file, max_width=_WIDEST)) for figure in figures]
    return _environment().get_template("gallery.html").render(title=title, lead=lead, figures=shown)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reports.formats", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
