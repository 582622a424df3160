"""Students by teachers as a heat map, ours beside the paper's."""

from matplotlib.figure import Figure

from reports.formats.drawing import WIDTH, Drawing, draw, heat_map
from reports.formats.words import plain
from reports.numbers.sweep import SweepNumbers


def matrix_factors(numbers: SweepNumbers) -> tuple[str, str] | None:
    """The two factors a matrix is laid out by, (down, across), or None where the rows do not have two."""
    names = list(dict.fromkeys(name for row in numbers.rows for name in row.factors))
    if "student" in names and "teacher" in names:
        names = ["student", "teacher"]
    complete = len(names) == 2 and all(name in row.factors for row in numbers.rows for name in names)
    cells = {tuple(row.factors[name] for name in names) for row in numbers.rows} if complete else set()
    return (names[0], names[1]) if len(cells) == len(numbers.rows) and complete else None


def matrix_drawing(numbers: SweepNumbers) -> Drawing | None:
    """Two heat maps, each in its own range: ours with its spread, and the paper's. None where rows are no matrix."""
    factors = matrix_factors(numbers)
    if factors is None or not numbers.measured:
        return None
    return draw(
        _figure(numbers, *factors),
        name="matrix",
        caption="Students down, teachers across: the lighter, the better. Each panel has its own range of colours.",
    )


def _figure(numbers: SweepNumbers, down: str, across: str) -> Figure:
    rows = list(dict.fromkeys(row.factors[down] for row in numbers.rows))
    columns = list(dict.fromkeys(row.factors[across] for row in numbers.rows))
    place = {row.name: (rows.index(row.factors[down]), columns.index(row.factors[across])) for row in numbers.rows}
    theirs = numbers.paper_metric
    ours = {place[name]: found for name, found in numbers.measured.items()}
    paper = {place[row.name]: row.paper[theirs] for row in numbers.rows if theirs in row.paper}
    means = {at: found.mean for at, found in ours.items()}
    stds = {at: "" if found.std is None else f"\n± {found.std:.1f}" for at, found in ours.items()}
    shown = [(f"ours, {numbers.metric}", means, stds), *([(f"paper, {theirs}", paper, {})] if paper else [])]
    figure = Figure(figsize=(max(WIDTH, 1.3 + 0.8 * len(columns)), len(shown) * (0.7 + 0.5 * len(rows))))
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (title, values, after) in zip(panels, shown, strict=True):
        texts = {at: plain(value, 1) + after.get(at, "") for at, value in values.items()}
        heat_map(axes, values, texts, rows, columns)
        axes.set_title(title)
        axes.set_ylabel(down)
    panels[-1].set_xlabel(across)
    return figure
