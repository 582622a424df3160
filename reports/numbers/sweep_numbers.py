"""Everything a report says of a sweep, before it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from reports.numbers.records import (
    Agreement,
    Deviation,
    Fact,
    ImprovementAgreement,
    LossEffects,
    Metric,
    RowNumbers,
    RunNumbers,
    TeacherNumbers,
)
from reports.numbers.search import SearchNumbers


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepNumbers:
    """Everything a report says, before it is drawn."""

    sweep: str
    profile: str
    title: str
    layout: str
    metric: Metric
    paper_metric: str
    """What the paper's numbers measure; another metric than ours where the paper does not print ours."""
    baseline: str | None
    rows: tuple[RowNumbers, ...]
    teachers: tuple[TeacherNumbers, ...]
    agreement: Agreement | None
    facts: tuple[Fact, ...]
    deviations: tuple[Deviation, ...]
    settings: Mapping[str, str]
    seconds: float
    improvements: ImprovementAgreement | None = None
    effects: LossEffects | None = None
    drawn: tuple[str, ...] = ()
    """The names of the rows that are drawn: all of them, or the baseline and the best of a great many."""
    search: SearchNumbers | None = None
    as_published: bool = False
    """Whether the runs were measured on the paper's data, so that published methods may stand beside them."""

    @property
    def own_baselines(self) -> bool:
        """Whether rows are measured against different baselines."""
        return len({row.baseline for row in self.rows if row.baseline is not None}) > 1

    @property
    def against(self) -> str:
        """What improvements are over, for sentences: the one baseline in quotation marks, or `its baseline`."""
        return "its baseline" if self.own_baselines else f"“{self.baseline}”"

    @property
    def over(self) -> str:
        """What improvements are over, for the title of a column."""
        return "over its baseline" if self.own_baselines else f"over {self.baseline}"

    @property
    def drawn_rows(self) -> tuple[RowNumbers, ...]:
        """The rows that are drawn, in the order of the table."""
        chosen = set(self.drawn)
        return tuple(row for row in self.rows if row.name in chosen)

    @property
    def runs(self) -> tuple[RunNumbers, ...]:
        """Every run of the sweep, teachers first; a run that two rows share is listed once."""
        found = {teacher.run.run_id: teacher.run for teacher in self.teachers}
        for row in self.rows:
            for run in row.runs:
                found.setdefault(run.run_id, run)
        return tuple(found.values())

    @property
    def unfinished(self) -> tuple[RunNumbers, ...]:
        """The runs without a result."""
        return tuple(run for run in self.runs if run.state != "finished")
