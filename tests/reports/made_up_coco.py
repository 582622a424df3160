"""A made-up matrix of students and teachers on COCO, with costs and diagnoses: what runs of full size would leave."""

import json
from pathlib import Path
from typing import Any

from made_up_store import run_name, write_run

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.paper.setting import COCO_ANNOTATIONS, DETECTIONS

TEACHER = "7eac4e400000"
SMALL, LARGE = (5_364_101, 2.38, 40.0), (21_265_637, 10.33, 14.0)
# student, teacher, the paper's AP, ours, (parameters, GFLOPs, images a second)
CELLS = (
    ("stemnet", "none", 56.0, 0.551, SMALL),
    ("stemnet", "HRNet-W48", 71.6, 0.709, SMALL),
    ("HRNet-W48-stage3", "none", 63.0, 0.625, LARGE),
    ("HRNet-W48-stage3", "HRNet-W48", 74.4, 0.741, LARGE),
)
JOINTS = ("nose", "left_ear", "right_eye")


def diagnosis(score: bool) -> dict[str, Any]:
    """Errors of 200 people: with a score, half of them at 0.525 with OKS 0.4 and half at 0.775 with OKS 0.8."""
    people, means, oks = [0] * 20, [None] * 20, [None] * 20
    told: dict[int, tuple[int, float, float]] = {10: (100, 0.525, 0.4), 15: (100, 0.775, 0.8)} if score else {}
    for place, (count, mean, similar) in (told or {19: (200, 1.0, 0.6)}).items():
        people[place], means[place], oks[place] = count, mean, similar  # type: ignore[call-overload]
    return {
        "calibration": {"people": people, "score": means, "oks": oks, "spearman": 0.5 if score else None},
        "joints": {"names": list(JOINTS), "seen": [100, 90, 0], "found": [0.25, 0.75, None]},
    }


def _cost(parameters: int, gflops: float, fps: float) -> dict[str, Any]:
    speed = {"fps": fps, "low": fps * 0.9, "high": fps * 1.1, "device": "a GPU"}
    return {"parameters": parameters, "gflops": gflops, "input": [192, 256], "speed": speed}


def write_coco(root: Path, *, table: str = "matrix") -> tuple[Store, SavedPlan]:
    """Four rows of two seeds and a teacher, all finished, measured on COCO."""
    rows = []
    for number, (student, teacher, paper, ap, cost) in enumerate(CELLS):
        name = f"{student}, {teacher}"
        for seed in range(2):
            path = write_run(root, run_name(number, seed), role="student", row=name, seed=seed, ap=ap + 0.003 * seed)
            spec = json.loads((path / "run.json").read_text())
            spec["recipe"]["model"] = {"model": "distilpose_s" if cost is SMALL else "distilpose_l"}
            spec["recipe"]["data"] = {"root": "data/coco", "train": "train2017", "val": "val2017", "synthetic": None}
            spec["recipe"]["evaluation"]["boxes"] = "boxes.json"
            spec["identity"] = {"data": "c0c0", "evaluation": {"boxes": DETECTIONS}}
            (path / "run.json").write_text(json.dumps({**spec, "teacher_id": TEACHER if teacher != "none" else None}))
            run = Store(root).run(path.name)
            run.cost.write(_cost(*cost[:2], cost[2] + seed))
            run.diagnosis.write(diagnosis(teacher != "none"))
        runs = [{"run_id": run_name(number, seed), "seed": seed} for seed in range(2)]
        factors = {"student": student, "teacher": teacher}
        row = {"name": name, "ticks": {}, "factors": factors, "paper": {"AP": paper}, "baseline": "stemnet, none"}
        rows.append({**row, "runs": runs})
    write_run(root, TEACHER, role="teacher", row="", seed=0, ap=0.752)
    Store(root).run(TEACHER).cost.write(_cost(69_411_360, 17.03, 8.0))
    plan = {
        "sweep": "made_up", "profile": "coco", "title": "Students and teachers", "table": table,
        "metric": "AP", "baseline": "stemnet, none", "rows": rows,
        "teachers": [{"run_id": TEACHER, "model": "teacher_tokenpose_l"}], "settings": {"data": "COCO"},
        "cohorts": [], "source": "made_up.yaml",
        "data": {"c0c0": {"name": "coco", "annotations": list(COCO_ANNOTATIONS)}},
    }  # fmt: skip
    return Store(root), SavedPlan.from_json(plan)
