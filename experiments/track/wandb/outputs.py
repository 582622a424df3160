"""What W&B is given of a finished run: a table of its predictions, and its weights where they are asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.runs.store import RunDir, Store
from experiments.track.card import RunCard

MOST_PREDICTIONS = 100
COUNTED = 0.2  # joints surer than this count in a person's score, as published
COLUMNS = ("row", "seed", "image", "score", "joints counted", "mean joint score", "least sure joint", "keypoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Files of a run. Without `weights` none are sent; `teacher` is the run id and weights of whom it learnt from."""

    predictions: Path
    weights: Path | None = None
    teacher: tuple[str, Path] | None = None


def outputs_of(run: RunDir, teacher_id: str | None, *, weights: bool) -> Outputs:
    """The files of a run in its store, with its weights and its teacher's where they are asked for."""
    if not weights:
        return Outputs(predictions=run.predictions)
    teacher = None
    if teacher_id is not None:
        file = Store(run.path.parent).run(teacher_id).weights
        teacher = (teacher_id, file) if file.exists() else None  # a given teacher is no run
    return Outputs(predictions=run.predictions, weights=run.weights, teacher=teacher)


def send_outputs(run: Any, card: RunCard, outputs: Outputs, step: int) -> None:
    """Give a W&B run what it came to. That weights come from a teacher's can be said online only."""
    if outputs.predictions.exists():
        results = json.loads(outputs.predictions.read_text(encoding="utf-8"))
        run.log({"predictions": _table(card.config, results)}, step=step)
    if outputs.teacher is not None and not run.offline:
        run.use_artifact(_weights(*outputs.teacher))
    if outputs.weights is not None and outputs.weights.exists():
        run.log_artifact(_weights(card.run_id, outputs.weights, card.config))


def _table(config: Mapping[str, Any], results: list[dict[str, Any]]) -> Any:
    """W&B's table of predictions in COCO's result format: of many, some from all over."""
    import wandb

    count = min(MOST_PREDICTIONS, len(results))
    rows = []
    for result in (results[len(results) * turn // count] for turn in range(count)):
        scores = result["keypoints"][2::3]
        counted = sum(score > COUNTED for score in scores)
        mean, least = sum(scores) / len(scores), min(range(len(scores)), key=scores.__getitem__)
        points = json.dumps(result["keypoints"])
        rows.append(
            [config.get("row"), config.get("seed"), result["image_id"], result["score"], counted, mean, least, points]
        )
    return wandb.Table(columns=list(COLUMNS), data=rows)


def _weights(run_id: str, file: Path, config: Mapping[str, Any] | None = None) -> Any:
    """W&B's artifact of weights. It is known by name and content, so that who learns from them names the same one."""
    import wandb

    artifact = wandb.Artifact(f"weights-{run_id}", type="model", metadata=dict(config or {}))
    artifact.add_file(str(file), name=file.name)
    return artifact
