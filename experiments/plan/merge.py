"""Several plans of one sweep as one."""

from collections.abc import Sequence
from dataclasses import replace

from experiments.plan.plan import Plan, PlannedRun
from experiments.runs.digest import digest
from experiments.runs.saved_plan import SavedCohort, SavedRow


def merged(parts: Sequence[Plan]) -> Plan:
    """One plan of several of the same sweep: rows of one name are one row, and a run belongs to its first cohort."""
    rows: dict[str, SavedRow] = {}
    cohorts: dict[str, SavedCohort] = {}
    runs: dict[str, PlannedRun] = {}
    placed: set[str] = set()
    for part in parts:
        for row in part.rows:
            earlier = rows.get(row.name, row)
            own = {run.run_id: run for run in (*earlier.runs, *row.runs)}
            rows[row.name] = replace(earlier, runs=tuple(own.values()))
        for cohort in part.cohorts:
            left = tuple(run_id for run_id in cohort.run_ids if run_id not in placed)
            placed.update(left)
            if left:
                whole = len(left) == len(cohort.run_ids)
                kept = cohort if whole else replace(cohort, cohort_id=digest(list(left)), run_ids=left)
                cohorts[kept.cohort_id] = kept
        runs = part.runs | runs
    return replace(
        parts[0],
        rows=tuple(rows.values()),
        cohorts=tuple(cohorts.values()),
        teachers=tuple(dict.fromkeys(teacher for part in parts for teacher in part.teachers)),
        runs=dict(sorted(runs.items(), key=lambda item: item[1].role == "student")),
        data={name: data for part in parts for name, data in part.data.items()},
        problems=tuple(dict.fromkeys(problem for part in parts for problem in part.problems)),
        parts={code: place for part in parts for code, place in part.parts.items()},
    )
