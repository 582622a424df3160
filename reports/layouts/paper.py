"""Ours beside the paper's: numbers, differences, ranks, and whether the improvements point the same way."""

from collections.abc import Mapping

from scipy import stats

from reports.formats.tables import Cell, Column, Gap, Table, Text, change, measured, number
from reports.numbers.confounds import confound_sentences
from reports.numbers.records import RowNumbers
from reports.numbers.sweep_numbers import SweepNumbers


def _ranked(values: Mapping[str, float]) -> dict[str, float]:
    """Ranks by name, 1 for the greatest."""
    return dict(zip(values, stats.rankdata([-value for value in values.values()]).tolist(), strict=True))


def paper_table(numbers: SweepNumbers) -> Table | None:
    """Every row that the paper has too; None where there is none."""
    metric, theirs, digits = numbers.metric.name, numbers.paper_metric, numbers.metric.digits
    rows = [row for row in numbers.rows if theirs in row.paper]
    both = [row for row in rows if metric in row.measured]
    if not rows:
        return None
    same = metric == theirs
    paper_rank = _ranked({row.name: row.paper[theirs] for row in both})
    our_rank = _ranked({row.name: row.measured[metric].mean for row in both})
    improvements = any(row.paper_improvement is not None for row in rows)
    columns = [
        Column(title="row"),
        Column(title="paper", group=theirs if same else "value", kind="number"),
        Column(title="ours", group=theirs if same else "value", kind="measured"),
    ]
    if same:
        columns.append(Column(title="difference", group=theirs, kind="number"))
    columns += [Column(title=title, group="rank", kind="number") for title in ("paper", "ours")]
    if improvements:
        group = numbers.over
        columns += [Column(title="baseline")] if numbers.own_baselines else []
        columns += [
            Column(title="paper", group=group, kind="number"),
            Column(title="ours", group=group, kind="change"),
            Column(title="difference", group=group, kind="number"),
            Column(title="same sign", group=group),
        ]
    filled = []
    for row in rows:
        cells: list[Cell] = [Text(row.name), number(row.paper[theirs], digits), measured(row, metric, digits)]
        if same:
            ours = row.measured[metric].mean if metric in row.measured else None
            cells.append(number(None if ours is None else ours - row.paper[theirs], digits, signed=True))
        cells += [number(ranks_by_name.get(row.name), 0) for ranks_by_name in (paper_rank, our_rank)]
        if improvements:
            cells += _improvement_cells(row, numbers)
        filled.append(tuple(cells))
    caption = "Ours beside the paper's" if same else f"Ours ({metric}) beside the paper's ({theirs})"
    return Table(
        name="paper", caption=caption, columns=tuple(columns), rows=tuple(filled), notes=tuple(_notes(numbers))
    )


def _improvement_cells(row: RowNumbers, numbers: SweepNumbers) -> list[Cell]:
    digits = numbers.metric.digits
    ours, theirs = row.improvement, row.paper_improvement
    baseline: list[Cell] = [Text(row.baseline or "–")] if numbers.own_baselines else []
    cells = [*baseline, number(theirs, digits, signed=True), change(ours, digits)]
    if ours is None or theirs is None:
        return [*cells, Gap(), Gap()]
    return [
        *cells,
        number(ours.mean - theirs, digits, signed=True),
        Text("yes" if ours.mean * theirs > 0 else "no"),
    ]


def _notes(numbers: SweepNumbers) -> list[str]:
    said = []
    if numbers.metric.name != numbers.paper_metric:
        said.append(
            f"Ours is {numbers.metric.name}, the paper's {numbers.paper_metric}: their differences are of two "
            "measures, and only orders and signs can be compared."
        )
    said.append("Ranks are among the rows that both have, 1 for the greatest mean; ties share their mean rank.")
    return [*said, *confound_sentences(numbers)]
