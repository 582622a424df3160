"""Weights & Biases as a mirror of runs."""

import contextlib
import glob
import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import psutil

from experiments.runs.job import Mode
from experiments.track.card import RunCard, shown_name
from experiments.track.courier import PATIENCE_SECONDS, Courier
from experiments.track.protocol import Status
from experiments.track.wandb.outputs import Outputs, send_outputs
from experiments.track.wandb.record import Project, journal_digest, note
from experiments.track.wandb.server import forget_empty_variables, reach_server, resolve_mode, what_wandb_reads

log = logging.getLogger(__name__)

EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "preempted": 143, "pruned": 0}
WAIT_SECONDS = 60.0
UPLOAD_SECONDS = 600.0  # where weights are sent
# Validation is drawn over epochs, so that rows of any batch size compare, and its best value is what tables show;
# training over steps, which is W&B's own axis.
METRICS: dict[str, dict[str, Any]] = {
    "epoch": {"hidden": True},
    "val/*": {"step_metric": "epoch", "summary": "max"},
}


class WandbTracker:
    """Mirrors one run to W&B, to its server or to files under `run_dir/wandb` that can be sent later.

    Several may live in one process. Nothing raises and nothing waits: a courier does the work. Where no server can be
    reached the run is mirrored offline; a picture that cannot be read is left out; any other fault switches the mirror
    off, each with one warning. `distilpose wandb replay` makes up for it afterwards.

    Steps that the server has already are passed over, so the same run can be told again from its beginning.

    Args:
        card: what the run is shown as. The same id again continues the run online; offline it adds a folder.
        run_dir: the run's directory, which pictures' paths are relative to.
        courier: does the work, in the order of the calls, until it is closed.
        project: where on W&B; what the environment names by default.
        mode: "online", "offline" or "disabled"; "auto" is what the environment variable WANDB_MODE says or else online
            where there is a key (WANDB_API_KEY or a netrc entry), offline where there is none.
        outputs: files that W&B is given when the run has finished.
        times: when a step was, in seconds since 1970, for a run that is told again; now by default.
        wait_seconds: for a server's answer, at the start and at the end.

    """

    def __init__(
        self,
        card: RunCard,
        *,
        run_dir: Path,
        courier: Courier,
        project: Project | None = None,
        mode: Mode = "auto",
        outputs: Outputs | None = None,
        times: Mapping[int, float] | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.card = card
        self.fault = ""  # why W&B lacks something that it could have, if it does
        self._run_dir, self._courier = run_dir, courier
        self._project = project or Project.of()
        self._run: Any = None
        self._online = False
        self._outputs, self._last_step = outputs, 0
        self._times, self._wait_seconds = times or {}, wait_seconds
        self._closed = False
        if mode != "disabled":
            courier.send(lambda: self._start(mode))

    def metrics(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """Log numbers of a step. W&B drops what comes with an earlier step than the last."""
        row = {shown_name(name): float(value) for name, value in values.items()}
        if epoch is not None:
            row["epoch"] = float(epoch)
        self._send(lambda run: self._log(run, step, row))

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """Log a picture as `pictures/KIND`."""

        def send(run: Any) -> None:
            if step >= run.starting_step:
                image = self._picture(path, caption)
                if image is not None:
                    self._log(run, step, {f"pictures/{kind}": image})

        self._send(send)

    def summary(self, values: Mapping[str, float]) -> None:
        """Put numbers into the run's summary, where W&B's tables read them."""
        row = {shown_name(name): float(value) for name, value in values.items()}
        self._send(lambda run: run.summary.update(row))

    def close(self, status: Status) -> None:
        """End the W&B run, with an exit code that says how (143 for a preempted one)."""
        if self._closed:
            return
        self._closed = True
        digest = journal_digest(self._run_dir)  # as it stands now: whoever has the run next goes on writing

        def send(run: Any) -> None:
            if status == "finished" and self._outputs is not None:
                send_outputs(run, self.card, self._outputs, self._last_step)
            run.summary["status"] = status
            run.finish(exit_code=EXIT_CODES[status])
            self._run = None
            if self._online and not self.fault:
                note(self._run_dir, self._project.place, digest)

        self._send(send)

    def _start(self, mode: Mode) -> None:
        self._guarded("W&B does not start; the run is not mirrored", lambda: self._choose(mode))

    def _choose(self, mode: Mode) -> None:
        forget_empty_variables()
        chosen = resolve_mode(mode)
        if chosen == "online":
            try:
                reach_server()
            except OSError as error:
                self.fault = self._warn("W&B is out of reach; the run is mirrored offline", error)
                chosen = "offline"
        if chosen == "disabled":
            return
        try:
            self._open(chosen)
        except (ValueError, OSError) as error:  # of its many settings, and its own message does not say where one is
            raise ValueError(f"{' '.join(str(error).split())}; it reads {what_wandb_reads()}") from error

    def _open(self, mode: Literal["online", "offline"]) -> None:
        import wandb

        self._run_dir.mkdir(parents=True, exist_ok=True)
        wished = {
            "silent": True,
            "console": "off",
            "disable_code": True,
            "disable_git": True,
            "disable_job_creation": True,
            "x_disable_meta": True,  # paths and names of the machine; the run's own provenance says what matters
            "x_disable_machine_info": True,
            "x_save_requirements": False,
            "x_disable_stats": True,  # one sampler of the machine a run would be many of the same
            "init_timeout": self._wait_seconds,
            "finish_timeout": self._wait_seconds,
            "finish_timeout_raises": True,
        }
        known = {name: value for name, value in wished.items() if name in wandb.Settings.model_fields}
        card = self.card
        self._run = wandb.init(
            id=card.run_id,
            name=card.name,
            group=card.group,
            job_type=card.job_type,
            tags=list(card.tags),
            config=dict(card.config),
            project=self._project.project,
            entity=self._project.entity,
            dir=str(self._run_dir),
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(**known),
        )
        self._online = mode == "online"
        for name, options in METRICS.items():
            self._run.define_metric(name, **options)

    def _log(self, run: Any, step: int, row: dict[str, Any]) -> None:
        if step < run.starting_step:
            return
        if step in self._times:
            row = {**row, "_timestamp": self._times[step]}
        self._last_step = step
        run.log(row, step=step)

    def _picture(self, path: Path | str, caption: str) -> Any:
        """W&B's image of a file, or None where it cannot be read."""
        import wandb

        inside = self._run_dir / path
        file = inside if inside.exists() else Path(path)
        try:
            return wandb.Image(str(file), caption=caption, masks=masks_beside(file) or None)
        except FileNotFoundError as error:  # it was tidied away, and nothing can bring it back
            self._warn("W&B gets no picture", error)
        except Exception as error:
            self.fault = self._warn("W&B gets no picture", error)
        return None

    def _send(self, action: Callable[[Any], None]) -> None:
        self._courier.send(lambda: self._do(action))

    def _do(self, action: Callable[[Any], None]) -> None:
        run = self._run
        if run is None or self._guarded("W&B failed; the run goes on without it", lambda: action(run)):
            return
        self._run = None
        with contextlib.suppress(Exception):  # what was logged so far may still be kept
            run.finish(exit_code=EXIT_CODES["failed"])

    def _guarded(self, consequence: str, action: Callable[[], None]) -> bool:
        """Return whether the action went well; warn when not."""
        try:
            action()
        except Exception as error:
            self.fault = self._warn(consequence, error)
            return False
        return True

    def _warn(self, consequence: str, error: Exception) -> str:
        what = f"{consequence} ({type(error).__name__}: {error})"
        log.warning("run %s: %s", self.card.run_id, what)
        return what


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


def wandb_courier(patience_seconds: float = PATIENCE_SECONDS) -> Courier:
    """A courier for trackers of this module. Only when it is closed are W&B's files whole."""
    return Courier(patience_seconds=patience_seconds, at_end=_end_service, give_up=_kill_service)


def _end_service() -> None:
    """Wait until W&B's service has written everything, and end it; when the process ends it would be waited for too."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is not None:
        return  # never started, or somebody else in this process, say a notebook, has a run of their own
    with contextlib.suppress(Exception):  # a dead one was warned of already
        wandb.teardown()


def _kill_service() -> None:
    """Kill the W&B services that this process started: one that hangs would keep the process from ending."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.name() == "wandb-core":
                child.kill()
