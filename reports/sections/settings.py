"""How the runs were trained and measured, and in what that differs from the published setting."""

from reports.formats.cells import text
from reports.formats.facts import Fact, FactList
from reports.formats.page import Block, Section
from reports.formats.table import Column, fill
from reports.formats.words import duration
from reports.numbers.sweep import SweepNumbers
from reports.paper.setting import Deviation, Values, deviations, on_published_data, setting


def settings(numbers: SweepNumbers) -> Section:
    """The sweep's settings, and those that differ from the paper's where it has these rows."""
    facts = {**numbers.plan.settings, "computing time": computing_time(numbers)}
    lines = tuple(Fact(name=name, values=(str(one),)) for name, one in facts.items() if one != "")
    blocks: list[Block] = [FactList(lines=lines)]
    differing = deviations_of(numbers)
    if differing and any(row.paper for row in numbers.rows):
        columns: list[Column[Deviation]] = [
            Column("setting", lambda one: text(one.setting)),
            Column("paper", lambda one: text(one.paper)),
            Column("here", lambda one: text(one.here)),
        ]
        note = "Compare orders and improvements with the paper's, not levels."
        blocks.append(
            fill(columns, differing, name="setting", caption="Settings that differ from the paper's", notes=[note])
        )
    return Section(key="settings", title="Settings", blocks=tuple(blocks), folded=True)


def computing_time(numbers: SweepNumbers) -> str:
    """That of all finished runs; empty where none has finished."""
    seconds = sum(run.seconds or 0.0 for run in numbers.all_runs)
    return duration(seconds) if seconds else ""


def _settings(numbers: SweepNumbers, role: str) -> list[Values]:
    """Every run's recipe as it is compared."""
    data = numbers.plan.data
    return [
        setting(run.recipe, run.identity, data.get(str(run.identity.get("data"))))
        for run in numbers.all_runs
        if run.role == role and run.recipe
    ]


def deviations_of(numbers: SweepNumbers) -> tuple[Deviation, ...]:
    """The settings in which these runs differ from the published ones."""
    seeds = max((len(row.runs) for row in numbers.rows), default=0)
    return deviations(_settings(numbers, "student"), _settings(numbers, "teacher"), seeds=seeds)


def as_published(numbers: SweepNumbers) -> bool:
    """Whether the runs were measured on the paper's data, so that published methods may stand beside them."""
    found = _settings(numbers, "student")
    return bool(found) and all(map(on_published_data, found))
