"""Weights & Biases: a server, or files that `wandb sync` can send to one."""

import contextlib
import glob
import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image

from experiments.track.card import RunCard
from experiments.track.protocol import Outputs, Picture, Process, Status, Step
from experiments.track.wandb.outputs import send_outputs
from experiments.track.wandb.server import (
    Mode,
    check_arrived,
    check_server,
    forget_empty_variables,
    reach_server,
    resolve_mode,
    server,
    what_wandb_reads,
)

_SETTINGS = threading.Lock()  # `wandb.setup` has one, and holds it for ever where its service does not start
EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "preempted": 143, "pruned": 0}
WAIT_SECONDS = 60.0
UPLOAD_SECONDS = 600.0
TAG_LENGTH = 64  # W&B refuses longer ones
# Of a replay, which can be repeated: W&B itself tries twenty times, for a quarter of an hour, and without an end where
# a server takes a file and does not answer.
PERSISTENCE = {
    f"x_{client}_{name}": value
    for client, seconds in (("file_stream", 60.0), ("file_transfer", UPLOAD_SECONDS), ("graphql", 30.0))
    for name, value in (
        ("retry_max", 6),
        ("retry_wait_min_seconds", 0.5),
        ("retry_wait_max_seconds", 10.0),
        ("timeout_seconds", seconds),
    )
}
# Validation is drawn over epochs, so that rows of any batch size compare, and its best value is what tables show;
# training over steps, which is W&B's own axis.
METRICS: dict[str, dict[str, Any]] = {
    "epoch": {"hidden": True},
    "val/*": {"step_metric": "epoch", "summary": "max"},
}


@dataclass(frozen=True, kw_only=True)
class Wandb:
    """Where on W&B runs are shown, and whether with their weights (`artifacts`).

    `auto` is what WANDB_MODE says, or else online where there is a key (WANDB_API_KEY or a netrc entry), offline where
    there is none. `project` and `entity` are WANDB_PROJECT or distilpose, and WANDB_ENTITY or the key's owner, by
    default. A server's answer is waited for `wait_seconds` at the start and at the end: by default a minute while a run
    trains, else ten.
    """

    mode: Mode = "auto"
    project: str = ""
    entity: str = ""
    artifacts: bool = False
    wait_seconds: float | None = None

    @property
    def place(self) -> str:
        """The server, the owner and the name; or the files."""
        if resolve_mode(self.mode) != "online":
            return "wandb offline"
        return "/".join(("wandb", server(os.environ).netloc, self._entity or "-", self._project))

    @property
    def process(self) -> Process:
        """W&B's service is one for all runs of a process."""
        return Process(patience_seconds=self._wait(True) + 15, end=_end_service, give_up=_kill_service)

    @property
    def _project(self) -> str:
        return self.project or os.environ.get("WANDB_PROJECT") or "distilpose"

    @property
    def _entity(self) -> str:
        return self.entity or os.environ.get("WANDB_ENTITY") or ""

    def _wait(self, live: bool) -> float:
        return self.wait_seconds or (WAIT_SECONDS if live and not self.artifacts else UPLOAD_SECONDS)

    def check(self, *, reach: bool) -> None:
        """Warn of a key that cannot be read; see `Service`."""
        forget_empty_variables()
        mode = resolve_mode(self.mode)
        if reach and mode == "disabled":
            raise ValueError("wandb: mode: must be online or offline to replay, got disabled (see WANDB_MODE)")
        if reach and mode == "online":
            check_server()

    def open(self, card: RunCard, run_dir: Path, *, live: bool) -> "WandbRun | None":
        """Open a run on the server, or in files under `run_dir/wandb`."""
        forget_empty_variables()
        mode = resolve_mode(self.mode)
        if mode == "disabled":
            return None
        if mode == "online":
            reach_server()  # W&B itself tries for a minute and more
        try:
            return WandbRun(card, self._init(card, run_dir, mode, live), live=live, artifacts=self.artifacts)
        except (ValueError, OSError) as error:  # of its many settings, and its own message does not say where one is
            raise ValueError(f"{' '.join(str(error).split())}; it reads {what_wandb_reads()}") from error

    def _init(self, card: RunCard, run_dir: Path, mode: Literal["online", "offline"], live: bool) -> Any:
        import wandb
        from wandb.sdk import wandb_setup

        run_dir.mkdir(parents=True, exist_ok=True)
        wished: dict[str, Any] = {
            "silent": True,
            "console": "off",
            "disable_code": True,
            "disable_git": True,
            "disable_job_creation": True,
            "x_disable_meta": True,  # paths and names of the machine; the run's own provenance says what matters
            "x_disable_machine_info": True,
            "x_save_requirements": False,
            "x_disable_stats": True,  # one sampler of the machine a run would be many of the same
            "init_timeout": self._wait(live),
            "finish_timeout": self._wait(live),
            "finish_timeout_raises": True,
            **({} if live else PERSISTENCE),
        }
        known = {name: value for name, value in wished.items() if name in wandb.Settings.model_fields}
        with _SETTINGS:  # of two first `init` at once, one may read half of the settings: another server
            wandb_setup.singleton().settings  # noqa: B018
        run = wandb.init(
            id=card.run_id,
            name=card.name,
            group=card.group,
            job_type=card.job_type,
            tags=[tag[:TAG_LENGTH] for tag in card.tags],
            config=dict(card.config),
            project=self._project,
            entity=self._entity or None,
            dir=str(run_dir),
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(**known),
        )
        for name, options in METRICS.items():
            run.define_metric(name, **options)
        return run


class WandbRun:
    """A run on W&B."""

    def __init__(self, card: RunCard, run: Any, *, live: bool, artifacts: bool) -> None:
        self._card, self._run, self._live, self._artifacts = card, run, live, artifacts
        self._last_step = self._steps = 0

    def log(self, step: Step) -> None:
        """Log numbers under names that W&B can sort by, and pictures with their masks."""
        before, self._last_step, self._steps = self._last_step, step.step, self._steps + 1
        images = {f"pictures/{picture.kind}": _image(picture) for picture in step.pictures}
        if step.step < self._run.starting_step:  # it may have the numbers alone; W&B names a picture by the step before
            for name, image in images.items() if not self._live else ():
                image.bind_to_run(self._run, name, before)
            return
        row = {shown_name(name): value for name, value in step.numbers.items()}
        self._run.log({**row, **images, "_timestamp": step.time}, step=step.step)

    def summary(self, values: Mapping[str, float]) -> None:
        """Put numbers where W&B's tables read them."""
        self._run.summary.update({shown_name(name): float(value) for name, value in values.items()})

    def finish(self, status: Status, outputs: Outputs | None) -> None:
        """End the W&B run, with an exit code that says how (143 for a preempted one)."""
        if outputs is not None:
            send_outputs(self._run, self._card, outputs, self._last_step, weights=self._artifacts)
        self._run.summary["status"] = status
        self._run.finish(exit_code=EXIT_CODES[status])
        if not self._run.offline:
            check_arrived(self._run, steps=self._steps, status=status)


def _image(picture: Picture) -> Any:
    import wandb

    return wandb.Image(str(picture.file), caption=picture.caption, masks=masks_beside(picture.file) or None)


def shown_name(metric: str) -> str:
    """The name of a metric on W&B, which sorts and filters by letters, digits and underscores alone: PCK_0_1."""
    return re.sub(r"[^A-Za-z0-9_/]", "_", metric)


def masks_beside(picture: Path) -> dict[str, Any]:
    """W&B's masks for a picture, from files `STEM.NAME.mask.png` beside it, whose text `labels` names the classes."""
    masks = {}
    for file in sorted(picture.parent.glob(f"{glob.escape(picture.stem)}.*.mask.png")):
        with PIL.Image.open(file) as image:
            names = json.loads(image.info["labels"])
            name = file.name.removeprefix(f"{picture.stem}.").removesuffix(".mask.png")
            labels = {0: "nothing", **dict(enumerate(names, start=1))}
            masks[name] = {"mask_data": np.asarray(image), "class_labels": labels}
    return masks


def _end_service() -> None:
    """Wait until W&B's service has written everything, and end it; when the process ends it would be waited for too."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is not None:
        return  # never started, or somebody else in this process, say a notebook, has a run of their own
    with contextlib.suppress(Exception):  # a dead one was warned of already
        wandb.teardown()


def _kill_service() -> None:
    """Kill the W&B services that this process started: one that hangs would keep the process from ending."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.name() == "wandb-core":
                child.kill()
