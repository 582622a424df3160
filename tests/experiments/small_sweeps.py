"""Sweeps of a few rows, for tests of what is done with them."""

import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from experiments.build.facts import DataFacts
from experiments.plan.plan import Plan, make_plan
from experiments.runs.saved_plan import SavedPlan
from experiments.sweep.choices import DataChoice, EvaluationChoice
from experiments.sweep.recipe import Recipe
from experiments.sweep.recipe_json import frozen, with_parts
from experiments.sweep.sweep_file import read_sweep

SMALL = """\
sweep: small
title: A small sweep
baseline: none
base:
  student: {model: distilpose_s, width: 8, dim: 16, depth: 1, heads: 2}
  teacher: {model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}
  losses: {reg: 1, KT: 5e-4}
  input_size: [48, 64]
  data: {root: data/people}
  augmentation: {flip: 0.5}
  schedule: {epochs: 2, batch_size: 4}
  evaluation: {}
seeds: [0, 1]
rows:
  - {row: none, set: {losses: {KT: 0}}, paper: {AP: 56.0}}
  - {row: KT, paper: {AP: 67.1}}
"""
# These two are small enough to be trained in a test.
MINI = """\
sweep: mini
title: Two rows of a few people
baseline: none
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2}
  teacher: {model: teacher_stemnet, width: 4, dim: 16, depth: 1, heads: 2}
  losses: {reg: 1, KT: 5e-4, VT: 5e-4, SH: 1, CS: 1e-2}
  input_size: [48, 64]
  data: {synthetic: {train: 16, val: 6, seed: 0}}
  augmentation: {}
  schedule: {epochs: 2, batch_size: 8, warmup_steps: 2, milestones: [], eval_every: 1}
  evaluation: {}
rows:
  - {row: none, set: {losses: {KT: 0, VT: 0, SH: 0, CS: 0}}, paper: {AP: 56.0}}
  - {row: all, paper: {AP: 71.6}}
"""
MINI_SEARCH = (
    MINI.partition("rows:")[0].replace("baseline: none", "baseline: ours")
    + """\
rows:
  - {row: ours}
search:
  space:
    losses.SH: {low: 1e-2, high: 1, log: true}
    losses.KT: [0, 5e-4]
  trials: 3
  cohort: 2
  sampler: {tpe: {startup: 1}}
  pruner: {median: {startup: 1}}
  objectives: [PCK@0.2]
"""
)
DATA_GONE = MINI.replace("data: {synthetic: {train: 16, val: 6, seed: 0}}", "data: {root: data/gone}")
CIRCLING = """\
sweep: circling
title: A heatmap model that learns from its own later cycles
table: rows
base:
  student: {model: sdpose_t, cycles: 2, width: 4, dim: 16, depth: 1, heads: 2}
  circulation: {heatmap: 1, KT: 5e-6, VT: 5e-6}
  input_size: [48, 64]
  data: {synthetic: {train: 16, val: 6, seed: 0}}
  augmentation: {}
  schedule: {epochs: 2, batch_size: 8, warmup_steps: 2, milestones: [], eval_every: 1}
  evaluation: {}
rows:
  - {row: alone, set: {circulation: {KT: 0, VT: 0}}}
  - {row: tokens}
  - {row: stopped, set: {circulation: {stop_gradient: true}}}
"""
FACTS = DataFacts(fingerprint="f" * 8, train_people=40, val_people=8)


def recipe_of(values: dict[str, Any]) -> Recipe:
    """A row's recipe from plain values."""
    read, faults = with_parts(values, Path())
    assert not faults
    return TypeAdapter(Recipe).validate_python(frozen(read))


def facts(data: DataChoice, evaluation: EvaluationChoice) -> DataFacts:
    """The same small data set, wherever it is said to lie."""
    return FACTS


def small_plan(folder: Path, text: str = SMALL, *, max_cohort: int | None = None) -> Plan:
    """The plan of a sweep given as text."""
    file = folder / f"small-{os.getpid()}.yaml"  # launches may race in one folder
    file.write_text(text)
    return make_plan(read_sweep(file, source="small.yaml").profile(), facts, max_cohort=max_cohort)


def bare_plan(**fields: Any) -> SavedPlan:
    """A saved plan of no rows, or with these fields as JSON has them."""
    bare: dict[str, Any] = {"sweep": "mini", "profile": "default", "title": "", "table": "rows", "metric": "AP"}
    bare |= {"baseline": None, "source": "", "rows": [], "teachers": [], "cohorts": [], "settings": {}}
    return SavedPlan.from_json({**bare, **fields})
