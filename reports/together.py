"""Several launched sweeps as one, for one report."""

from collections.abc import Mapping
from dataclasses import replace

from experiments.runs.saved_plan import SavedPlan, SavedRow
from reports.numbers.sweep import table_rows


def together(plans: Mapping[str, SavedPlan]) -> SavedPlan:
    """The rows of all plans in one; the keys are what the plans are called.

    A row that two plans share stands once. Rows that only share a name get that of their plan added. Metric, baseline
    and the paper's table are the first plan's; trials of searches are left out.
    """
    first, *others = plans.values()
    called: dict[str, set[tuple[str, ...]]] = {}
    for plan in plans.values():
        for row in table_rows(plan):
            called.setdefault(row.name, set()).add(tuple(run.run_id for run in row.runs))
    rows: dict[str, SavedRow] = {}
    for label, plan in plans.items():
        names = {
            row.name: row.name if len(called[row.name]) == 1 else f"{row.name} ({label})" for row in table_rows(plan)
        }
        for row in table_rows(plan):
            named = replace(row, name=names[row.name], baseline=names.get(row.baseline or ""))
            rows.setdefault(named.name, named)
    kinds = {plan.table for plan in plans.values()}
    settings = {
        name: ", ".join(dict.fromkeys(str(plan.settings[name]) for plan in plans.values() if name in plan.settings))
        for name in dict.fromkeys(name for plan in plans.values() for name in plan.settings)
    }
    return replace(
        first,
        sweep="-".join(plan.name.replace(".", "-") for plan in plans.values()),
        profile="together",
        title="; ".join(dict.fromkeys(plan.title for plan in plans.values())),
        table=first.table if len(kinds) == 1 and first.table != "matrix" else "rows",
        lower_is_better=tuple(dict.fromkeys(name for plan in plans.values() for name in plan.lower_is_better)),
        test=all(plan.test for plan in plans.values()),
        baseline=next((row.baseline for row in rows.values() if row.baseline is not None), None),
        source=", ".join(plan.source for plan in plans.values()),
        rows=tuple(rows.values()),
        teachers=tuple({teacher.run_id: teacher for plan in plans.values() for teacher in plan.teachers}.values()),
        cohorts=tuple({cohort.cohort_id: cohort for plan in plans.values() for cohort in plan.cohorts}.values()),
        settings=settings,
        data={name: data for plan in plans.values() for name, data in plan.data.items()},
        search=None,
        until=None,
        report=None if others else first.report,
    )
