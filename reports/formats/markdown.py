"""A report as Markdown: the same sections as the page, with the drawings as files beside it."""

from collections.abc import Sequence

from reports.formats.cell_text import duration, escape_markdown, markdown_table
from reports.formats.tables import Table
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import verdict
from reports.plots.style import Drawing
from reports.sections import Block, FactList, Section


def _opening(numbers: SweepNumbers) -> list[str]:
    said = verdict(numbers)
    runs = f"{len(numbers.runs) - len(numbers.unfinished)} of {len(numbers.runs)} runs finished"
    facts = [runs, *(f"{name}: {value}" for name, value in numbers.settings.items())]
    if numbers.seconds:
        facts.append(f"computing time: {duration(numbers.seconds)}")
    return [
        f"# {escape_markdown(numbers.title)}\n",
        f"**{escape_markdown(said.headline)}**\n",
        *(escape_markdown(sentence) + "\n" for sentence in said.support),
        escape_markdown(f"{numbers.sweep}, profile {numbers.profile}; " + "; ".join(facts)) + ".\n",
    ]


def _facts(block: FactList) -> str:
    lines = ["| fact | value |", "| --- | --- |"]
    lines += [f"| {escape_markdown(line.name)} | {escape_markdown('; '.join(line.values))} |" for line in block.lines]
    return "\n".join(lines) + "\n"


def _block(block: Block, drawings: str) -> list[str]:
    match block:
        case Table():
            return [f"*{escape_markdown(block.caption)}.*\n", markdown_table(block)]
        case Drawing():
            caption = escape_markdown(block.legend)
            return [f"![{caption}]({drawings}/{block.name}.svg)\n\n{caption}\n"]
        case FactList():
            return [_facts(block)]
        case _:
            return []


def markdown_report(numbers: SweepNumbers, sections: Sequence[Section], *, drawings: str = "plots") -> str:
    """The whole report. Names from files are escaped; pictures of people are in the HTML page only.

    Args:
        numbers: what the sweep measured.
        sections: the parts of the report.
        drawings: the folder of the drawings, relative to the report.
    """
    parts = _opening(numbers)
    for section in sections:
        body = [part for block in section.blocks for part in _block(block, drawings)]
        if not body and section.blocks:
            continue
        parts.append(f"## {escape_markdown(section.title)}\n")
        parts += [escape_markdown(sentence) + "\n" for sentence in section.text]
        parts += body
        parts += [escape_markdown(sentence) + "\n" for sentence in section.after]
    return "\n".join(parts)
