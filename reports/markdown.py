"""A report as Markdown: the same sentences, tables and facts as the page, with the drawings as files beside it."""

from collections.abc import Mapping, Sequence

from reports.records import SweepNumbers
from reports.renderers import duration, escape_markdown, markdown_table
from reports.tables import runs_table, sweep_table
from reports.verdict import verdict


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(escape_markdown(cell) for cell in row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


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


def _unfinished(numbers: SweepNumbers) -> list[str]:
    if not numbers.unfinished:
        return [f"Nothing: all {len(numbers.runs)} runs have finished.\n"]
    rows = [(run.row, str(run.seed), run.state, run.reason, run.run_id) for run in numbers.unfinished]
    return ["None of these counts in any number above.\n", _rows(("row", "seed", "state", "reason", "run"), rows)]


def _teachers(numbers: SweepNumbers) -> list[str]:
    rows = []
    for teacher in numbers.teachers:
        metrics = ", ".join(f"{name} {value:.1f}" for name, value in teacher.run.metrics.items())
        state = f"{teacher.run.state}: {teacher.run.reason}" if teacher.run.reason else teacher.run.state
        parameters = f"{teacher.run.parameters:,}" if teacher.run.parameters else ""
        rows.append((teacher.model, teacher.run.run_id, state, metrics, parameters))
    return ["## Teacher\n", _rows(("model", "run", "state", "metrics", "parameters"), rows)] if rows else []


def _provenance(numbers: SweepNumbers) -> list[str]:
    rows = []
    for fact in numbers.facts:
        said = [value if fact.agrees else f"{value} ({runs} runs)" for value, runs in fact.values]
        rows.append((fact.name, "; ".join(said)))
    differing = [fact.name for fact in numbers.facts if not fact.agrees]
    note = f"The finished runs disagree about: {', '.join(differing)}." if differing else "All finished runs agree."
    return ["## Provenance\n", _rows(("fact", "value"), rows), note + "\n"] if rows else []


def markdown_report(numbers: SweepNumbers, drawings: Mapping[str, str]) -> str:
    """The whole report. Names from files are escaped; pictures of people are in the HTML page only.

    Args:
        numbers: what the sweep measured.
        drawings: the caption of each drawing by its file name, relative to the report.
    """
    parts = [*_opening(numbers), "## Results\n", markdown_table(sweep_table(numbers))]
    if numbers.deviations:
        parts += [
            "## What differs from the paper's setting\n",
            "The paper's numbers were measured in another setting. Compare orders and improvements, not levels.\n",
            _rows(("setting", "paper", "here"), [(one.setting, one.paper, one.here) for one in numbers.deviations]),
        ]
    if drawings:
        parts.append("## Effects and curves\n")
        parts += [f"![{escape_markdown(said)}]({file})\n\n{escape_markdown(said)}\n" for file, said in drawings.items()]
    parts += ["## Missing and failed\n", *_unfinished(numbers), *_teachers(numbers), *_provenance(numbers)]
    parts += ["## Every run\n", markdown_table(runs_table(numbers))]
    return "\n".join(parts)
