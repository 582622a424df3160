"""Cells and columns that several sections fill from a row or a model."""

from collections.abc import Callable

from reports.formats.cells import Cell, gap, number, seeds, text
from reports.formats.table import Column, Row
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import Cost, RunNumbers
from reports.statistics.differences import Spread


def name_column(title: str = "row") -> Column[RowNumbers]:
    """The column of the rows' names."""
    return Column(title, lambda row: text(row.name))


def baseline_column(numbers: SweepNumbers, group: str = "") -> list[Column[RowNumbers]]:
    """The baseline of each row, where rows have different ones."""
    column = Column[RowNumbers]("baseline", lambda row: text(row.baseline or "–"), group=group)
    return [column] if numbers.own_baselines else []


def state_gap(row: RowNumbers) -> Cell:
    """Why a row has no number: the gravest state among its runs."""
    states = {run.state for run in row.runs}
    grave = ("failed", "damaged", "interrupted", "running", "stopped", "missing", "planned")
    return gap(next((state for state in grave if state in states), "not measured"))


def measured(row: RowNumbers, metric: str, digits: int, best: float | None = None) -> Cell:
    """What the row's seeds measured, or why they did not."""
    found = row.measured.get(metric)
    if found is None:
        return state_gap(row)
    return seeds(found, len(row.runs), digits, best=best is not None and found.mean == best)


def single(run: RunNumbers, value: float | None, digits: int) -> Cell:
    """What one run measured: a teacher's."""
    if value is None:
        return gap("not measured" if run.finished else run.state)
    return seeds(Spread(values={run.seed: value}, mean=value, std=None), 1, digits)


def cost_columns(group: str, cost_of: Callable[[Row], Cost | None]) -> list[Column[Row]]:
    """Parameters and GFLOPs."""

    def parameters(row: Row) -> Cell:
        cost = cost_of(row)
        return number(cost.parameters / 1e6 if cost else None, 2)

    def gflops(row: Row) -> Cell:
        cost = cost_of(row)
        return number(cost.gflops if cost else None, 4 if cost and cost.gflops and cost.gflops < 1 else 2)

    return [Column("params (M)", parameters, "number", group), Column("GFLOPs", gflops, "number", group)]


def best_of_models(numbers: SweepNumbers) -> dict[str, RowNumbers]:
    """For each student model and size, the row with the best mean."""
    metric, sign = numbers.metric, numbers.sign
    best: dict[str, RowNumbers] = {}
    for row in numbers.rows:
        model = row.runs[0].model if row.runs else ""
        if row.cost is None or metric not in row.measured or not model:
            continue
        there = best.get(model)
        if there is None or sign * row.measured[metric].mean > sign * there.measured[metric].mean:
            best[model] = row
    return best
