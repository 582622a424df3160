"""A report as a list of sections, in the order they are read. Every format shows the same list.

A section is one file: a function from the sweep's numbers, its plan and the reader of its runs to a `Section`, or to
None where it has nothing to say. A new one is its file and its line in `SECTIONS`.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from matplotlib import rc_context

from reports.formats.drawing import STYLE
from reports.formats.gallery import Gallery
from reports.formats.page import Block, Section
from reports.formats.table import Table
from reports.numbers.metrics import definitions
from reports.numbers.sweep import SweepNumbers
from reports.sections.comparison import comparison
from reports.sections.cost import cost
from reports.sections.curves import curves
from reports.sections.decisions import decisions
from reports.sections.errors import confidence, joints
from reports.sections.evidence import evidence
from reports.sections.losses import loss_tables, losses
from reports.sections.paper import paper
from reports.sections.pictures import pictures, views
from reports.sections.provenance import provenance
from reports.sections.pulls import pull_table, pulls
from reports.sections.results import results
from reports.sections.runs import runs
from reports.sections.search.section import search, trials
from reports.sections.settings import settings
from reports.sections.tests import tests
from reports.sections.unfinished import unfinished

SectionMaker = Callable[[SweepNumbers], Section | None]

SECTIONS: tuple[SectionMaker, ...] = (
    results, decisions, search, losses, pulls, curves, joints, pictures, unfinished,
    evidence, tests, trials, loss_tables, pull_table, paper, settings, cost, comparison, confidence, views, provenance,
    runs,
)  # fmt: skip


def make_sections(
    numbers: SweepNumbers, makers: Iterable[SectionMaker] = SECTIONS, *, people: bool = True
) -> tuple[Section, ...]:
    """The sections that have something to say, in the given order, drawn in the style of reports.

    Args:
        numbers: of the sweep.
        makers: the sections.
        people: show what runs drew of people.

    Raises:
        ValueError: two sections have one key, or two blocks one name.
    """
    with rc_context(STYLE):
        made = [section for make in makers if (section := make(numbers)) is not None]
    if not people:
        made = [_without_people(section) for section in made if not _shows_people_alone(section)]
    _refuse_twice("two sections have the key", [section.key for section in made])
    _refuse_twice("two blocks have the name", [block.name for section in made for block in section.blocks])
    return tuple(
        replace(section, blocks=tuple(_defined(block, numbers) for block in section.blocks)) for section in made
    )


def _refuse_twice(fault: str, names: list[str]) -> None:
    for name in names:
        if name and names.count(name) > 1:
            raise ValueError(f"{fault} {name!r}; it becomes the name of a file or anchor, choose another")


def _shows_people_alone(section: Section) -> bool:
    return bool(section.blocks) and all(isinstance(block, Gallery) for block in section.blocks)


def _without_people(section: Section) -> Section:
    return replace(section, blocks=tuple(block for block in section.blocks if not isinstance(block, Gallery)))


def _defined(block: Block, numbers: SweepNumbers) -> Block:
    """A table with its label, and the definitions of the metrics that it names below its first two notes."""
    if not isinstance(block, Table):
        return block
    label = f"tab:{numbers.plan.sweep}-{numbers.plan.profile}-{block.name}"
    return replace(block, label=label, notes=(*block.notes[:2], *definitions(block.words), *block.notes[2:]))
