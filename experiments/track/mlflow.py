"""MLflow: a sweep is a parent run, its runs are the children, weights and pictures are their artifacts."""

import os
import re
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.track.card import RunCard, flat_config
from experiments.track.protocol import Outputs, Process, Status, Step, needs

STATUSES: dict[Status, str] = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "preempted": "KILLED",
    "pruned": "FINISHED",
}
MOST = 1000  # metrics that MLflow takes at once
LONGEST = 6000  # characters of a parameter
SEND_SECONDS, REACH_SECONDS = 5.0, 5.0
RUN_ID, SWEEP, PARENT, NAME = "distilpose.run", "distilpose.sweep", "mlflow.parentRunId", "mlflow.runName"


@dataclass(frozen=True, kw_only=True)
class MLflow:
    """The server at `uri`, or that MLFLOW_TRACKING_URI names; its experiment; whether weights go along."""

    uri: str = ""
    experiment: str = "distilpose"
    artifacts: bool = False
    process = Process()  # every call is answered before the next

    @property
    def place(self) -> str:
        """The server and the experiment."""
        return f"mlflow {self._uri} {self.experiment}"

    @property
    def _uri(self) -> str:
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI", "")

    def check(self, *, reach: bool) -> None:
        """See `Service`."""
        if not self._uri:
            raise ValueError("mlflow: uri: must be given, mlflow:uri=http://127.0.0.1:5000 say, or MLFLOW_TRACKING_URI")
        needs("mlflow")
        if reach and self._uri.startswith("http"):
            try:
                urllib.request.urlopen(f"{self._uri.rstrip('/')}/health", timeout=REACH_SECONDS).close()
            except OSError as error:
                raise ConnectionError(f"mlflow: {self._uri} is out of reach ({error}); nothing was sent") from None

    def open(self, card: RunCard, run_dir: Path, *, live: bool) -> "MLflowRun":
        """Open the run, or a new one."""
        return MLflowRun(card, self._client(live), self.experiment, artifacts=self.artifacts)

    def _client(self, live: bool) -> Any:
        for name, value in (("MAX_RETRIES", "3" if live else "6"), ("TIMEOUT", "30")):  # MLflow itself: for minutes
            os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
        from mlflow import MlflowClient

        return MlflowClient(self._uri)


class MLflowRun:
    """A run on an MLflow server."""

    def __init__(self, card: RunCard, client: Any, experiment: str, *, artifacts: bool) -> None:
        self._client, self._artifacts = client, artifacts
        self._experiment = _experiment(client, experiment)
        sweep = card.group or "runs"
        parent = self._found(SWEEP, sweep, {NAME: sweep})
        client.set_terminated(parent)  # it does nothing itself
        tags = {PARENT: parent, NAME: card.name, **{f"distilpose.tag.{tag}": "" for tag in card.tags}}
        self._id = self._found(RUN_ID, card.run_id, {"distilpose.group": sweep, **tags})
        self._there = self._steps()
        self._params = {_name(key): str(value)[:LONGEST] for key, value in flat_config(card.config).items()}
        self._metrics: list[Any] = []
        self._sent = time.monotonic()

    def log(self, step: Step) -> None:
        """Send a step's numbers and pictures, the numbers with those of other steps."""
        from mlflow.entities import Metric

        at = round(step.time * 1000)
        for name, value in step.numbers.items():
            key = _name(name)
            if step.step > self._there.get(key, -1):
                self._metrics.append(Metric(key, value, at, step.step))
        if len(self._metrics) >= MOST or time.monotonic() - self._sent > SEND_SECONDS:
            self._send()
        for picture in step.pictures:
            self._file(picture.file, f"pictures/{picture.kind}", f"step-{step.step:08d}{picture.file.suffix}")

    def summary(self, values: Mapping[str, float]) -> None:
        """Send the numbers that the run ends with, each once."""
        from mlflow.entities import Metric

        for name, value in values.items():
            if _name(name) not in self._there:
                self._metrics.append(Metric(_name(name), float(value), 0, 0))

    def finish(self, status: Status, outputs: Outputs | None) -> None:
        """Send what is left, and say how the run ended."""
        self._send()
        if outputs is not None and self._artifacts and outputs.weights.exists():
            self._client.log_artifact(self._id, str(outputs.weights), "model")
        if outputs is not None and outputs.predictions.exists():
            self._client.log_artifact(self._id, str(outputs.predictions))
        self._client.set_terminated(self._id, STATUSES[status])

    def _send(self) -> None:
        from mlflow.entities import Param

        while self._metrics or self._params:
            params = [Param(key, value) for key, value in list(self._params.items())[:100]]
            self._client.log_batch(self._id, self._metrics[:MOST], params)
            del self._metrics[:MOST]
            for param in params:
                del self._params[param.key]
        self._sent = time.monotonic()

    def _file(self, file: Path, folder: str, name: str) -> None:
        with tempfile.TemporaryDirectory() as aside:
            (Path(aside) / name).symlink_to(file.resolve())
            self._client.log_artifact(self._id, str(Path(aside) / name), folder)

    def _found(self, tag: str, value: str, tags: Mapping[str, str]) -> str:
        """The run with a tag, of several the oldest: processes may make one at the same time."""

        def oldest() -> str | None:
            where = f"tags.`{tag}` = '{value.replace(chr(39), chr(39) * 2)}'"
            runs = self._client.search_runs([self._experiment], where, order_by=["attributes.start_time", "run_id"])
            return runs[0].info.run_id if runs else None

        found = oldest()
        if found is not None:
            return found
        own: str = self._client.create_run(self._experiment, tags={tag: value, **tags}).info.run_id
        first = oldest()
        if first is not None and first != own:
            self._client.delete_run(own)
            return first
        return own

    def _steps(self) -> dict[str, int]:
        """The last step that the server has of each metric."""
        names = self._client.get_run(self._id).data.metrics
        return {name: max(m.step for m in self._client.get_metric_history(self._id, name)) for name in names}


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _name(metric: str) -> str:
    """A metric's name in the letters that MLflow takes: PCK_0.1."""
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", metric)
