"""What W&B is given of a finished run: a table of its predictions, and its weights where they are asked for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.track.card import RunCard
from experiments.track.protocol import Outputs

MOST_PREDICTIONS = 100
COUNTED = 0.2  # joints surer than this count in a person's score, as published
COLUMNS = ("row", "seed", "image", "score", "joints counted", "mean joint score", "least sure joint", "keypoints")


def send_outputs(run: Any, card: RunCard, outputs: Outputs, step: int, *, weights: bool) -> None:
    """Give a W&B run its files. That weights come from a teacher's can be said online only."""
    if outputs.predictions.exists():
        results = json.loads(outputs.predictions.read_text(encoding="utf-8"))
        run.log({"predictions": _table(card.config, results)}, step=step)
    if not weights:
        return
    if outputs.teacher is not None and not run.offline:
        run.use_artifact(_weights(*outputs.teacher))
    if outputs.weights.exists():
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
