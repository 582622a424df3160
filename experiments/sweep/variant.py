"""A sweep made of another by changing fields of its base: `--set schedule.lr=1e-3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.sweep.choices import FILE_NAME
from experiments.sweep.expand import Assignments, Sheet, assigned, field_fault
from experiments.sweep.sweep_file import Sweep, read_sweep, sheets_of, sweep_of
from experiments.sweep.yaml_nodes import Problem, SpecError, read_value, read_yaml, shown


def changed_sweep(path: Path, profile: str | None, changes: Sequence[str], name: str | None, *, source: str) -> Sweep:
    """One profile of a file with `FIELD=VALUE` put into its base; what rows and axes set themselves stands over it.

    Its `name`, by default the file's and what is set, must be its own. Raises ValueError for a change that is none.
    """
    plain = read_sweep(path, source=source).profile(profile)
    problems: list[Problem] = []
    node = dict(sheets_of(read_yaml(path, source), source, problems))[plain.profile]
    sheet, base = Sheet(node, source, path.parent, problems), node.mapping["base"]
    point: Assignments = ()
    for change in changes:
        field, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set: must be FIELD=VALUE, got {change!r:.80}")
        if (fault := field_fault(field, sheet)) is not None:
            raise ValueError(f"--set {field}: {fault}")
        value = replace(read_value(text, f"--set {field}"), place=base.place, key=base.key)
        point = (*point, (field, value))
    words = ", ".join(f"{field}={shown(value.plain)}" for field, value in point)
    changed = sweep_of(plain.profile, replace(sheet, node=node.with_items(base=assigned(base, point, sheet))))
    if problems:
        raise ValueError(f"with --set {words}:\n{SpecError(problems)}")
    assert changed is not None
    parts = [(one.search and one.search.base, *(row.recipe for row in one.rows)) for one in (plain, changed)]
    if parts[0] == parts[1]:
        raise ValueError(f"--set {words}: changes nothing: every row has this value, or sets the field itself")
    own = name or re.sub(
        r"[^A-Za-z0-9_+-]+", "-", "-".join([plain.sweep, *(one.rpartition(".")[2] for one in changes)])
    )
    if own == plain.sweep or not re.fullmatch(FILE_NAME, own):
        rule = f"must be a name of its own, of at most 60 letters, digits, _, - and +, got {own!r:.80}"
        raise ValueError(f"--name: {rule}")
    return replace(changed, sweep=own, title=f"{plain.title}, with {words}", changed=f"{plain.sweep}: {words}")
