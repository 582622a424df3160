"""Why a plan has several teachers, where its rows did not ask for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.plan.plan import Plan

_ROWS = ("data", "input_size", "evaluation")  # never a teacher's own
_OWN = ("role", "seed", "model", "losses")  # never a row's


def several_teachers(plan: Plan) -> str | None:
    """A sentence for people: which fields of the rows differ, and so give them teachers of their own."""
    teachers = {one.run_id: dict(_flat(plan.runs[one.run_id].recipe)) for one in plan.teachers}
    taught = [
        (dict(_flat(run.recipe)), teachers[run.teacher_id]) for run in plan.runs.values() if run.teacher_id in teachers
    ]
    fields = dict.fromkeys(field for values in teachers.values() for field in values)
    differ = [field for field in fields if len({repr(values.get(field)) for values in teachers.values()}) > 1]
    of_rows = [
        field
        for field in differ
        if field.partition(".")[0] not in _OWN and all(row.get(field) == teacher.get(field) for row, teacher in taught)
    ]
    if not of_rows:
        return None
    said = f"{len(teachers)} teachers, because {' and '.join(of_rows)} differ{'s' if len(of_rows) == 1 else ''}"
    inherited = [f"teacher.{field}" for field in of_rows if field.partition(".")[0] not in _ROWS]
    remedy = f"; write {' and '.join(inherited)} to keep one" if len(inherited) == len(differ) else ""
    return said + remedy


def _flat(recipe: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted field."""
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
