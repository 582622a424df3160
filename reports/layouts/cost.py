"""Teachers and students by what they cost and what they reach, beside the published figures."""

from collections.abc import Mapping

from reports.formats.tables import Cell, Column, Gap, Measured, Table, Text, measured, number
from reports.numbers.records import Cost, RowNumbers, RunNumbers, Spread
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.literature import of_model


def cost_columns(group: str, *, speed: bool) -> list[Column]:
    """The columns of a cost."""
    titles = ("params (M)", "GFLOPs", *(("images/s",) if speed else ()))
    return [Column(title=title, group=group, kind="number") for title in titles]


def cost_cells(cost: Cost | None, *, speed: bool) -> list[Cell]:
    """A cost under its columns."""
    if cost is None:
        return [Gap()] * (3 if speed else 2)
    small = cost.gflops is not None and cost.gflops < 1
    cells = [number(cost.parameters / 1e6, 2), number(cost.gflops, 4 if small else 2)]
    if speed:
        cells.append(number(None if cost.speed is None else cost.speed.fps, 1))
    return cells


def best_of_models(numbers: SweepNumbers) -> dict[str, RowNumbers]:
    """For each student model and size, the row with the best mean."""
    metric, sign = numbers.metric.name, numbers.metric.sign
    best: dict[str, RowNumbers] = {}
    for row in numbers.rows:
        model = row.runs[0].model if row.runs else ""
        if row.cost is None or metric not in row.measured or not model:
            continue
        there = best.get(model)
        if there is None or sign * row.measured[metric].mean > sign * there.measured[metric].mean:
            best[model] = row
    return best


def _times(greater: float | None, smaller: float | None) -> Cell:
    return number(None if not greater or not smaller else greater / smaller, 2)


def _ratios(student: Cost | None, teacher: Cost | None) -> list[Cell]:
    """How many times smaller than its teacher, in parameters and GFLOPs, and how many times faster."""
    if student is None or teacher is None:
        return [Gap(), Gap(), Gap()]
    ours, theirs = (None if one.speed is None else one.speed.fps for one in (student, teacher))
    return [
        _times(teacher.parameters, student.parameters),
        _times(teacher.gflops, student.gflops),
        _times(ours, theirs),
    ]


def _published(model: str) -> list[Cell]:
    found = of_model(model)
    if found is None:
        return [Gap()] * 4
    return [number(found.params_m, 2), number(found.gflops, 2), number(found.fps), number(found.ap)]


def _teacher_value(run: RunNumbers, numbers: SweepNumbers) -> Cell:
    value = run.metrics.get(numbers.metric.name)
    if value is None:
        return Gap("not measured" if run.state == "finished" else run.state)
    return Measured(Spread(values={run.seed: value}, mean=value, std=None), 1, numbers.metric.digits)


def cost_table(numbers: SweepNumbers) -> Table | None:
    """One line a model: the teachers, then each student model by its best row; None before any student is finished."""
    students = best_of_models(numbers)
    if not students:
        return None
    metric, digits = numbers.metric.name, numbers.metric.digits
    columns = (
        Column(title="model"),
        Column(title="role"),
        *cost_columns("ours", speed=True),
        Column(title=metric, group="ours", kind="measured"),
        *(
            Column(title=title, group="× better than its teacher", kind="number")
            for title in ("params", "GFLOPs", "speed")
        ),
        *cost_columns("paper", speed=True),
        Column(title="AP", group="paper", kind="number"),
    )
    teachers = {teacher.run.run_id: teacher.run.cost for teacher in numbers.teachers}
    rows: list[tuple[Cell, ...]] = [
        (
            Text(teacher.model),
            Text("teacher"),
            *cost_cells(teacher.run.cost, speed=True),
            _teacher_value(teacher.run, numbers),
            Gap(),
            Gap(),
            Gap(),
            *_published(teacher.model),
        )
        for teacher in numbers.teachers
    ]
    for model, row in students.items():
        rows.append(
            (
                Text(model),
                Text("student"),
                *cost_cells(row.cost, speed=True),
                measured(row, metric, digits),
                *_ratios(row.cost, teachers.get(row.runs[0].teacher_id or "")),
                *_published(model),
            )
        )
    return Table(
        name="cost",
        caption="What models cost and reach",
        columns=columns,
        rows=tuple(rows),
        notes=_notes(numbers, students),
    )


def _notes(numbers: SweepNumbers, students: Mapping[str, RowNumbers]) -> tuple[str, ...]:
    costs = [row.cost for row in numbers.rows if row.cost is not None]
    costs += [teacher.run.cost for teacher in numbers.teachers if teacher.run.cost is not None]
    best = "; ".join(f"{model}: “{row.name}”" for model, row in students.items())
    said = [f"Each student model stands with its best row ({best}). Parameters are the trained ones, as published."]
    inputs = sorted({cost.input for cost in costs if cost.input})
    if inputs:
        said.append(
            f"GFLOPs are counted as the papers count them, for one crop of {' or '.join(inputs)} pixels; the paper's "
            "columns are of its own sizes at 192×256."
        )
    else:
        said.append("These runs did not record GFLOPs.")
    devices = sorted({cost.speed.device for cost in costs if cost.speed is not None})
    if devices:
        said.append(
            f"Images a second are single forward passes on {', '.join(devices)}. Compare the speeds with each other, "
            "not with other machines."
        )
    else:
        said.append("These runs did not record their speed.")
    return tuple(said)
