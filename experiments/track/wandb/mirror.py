"""The mirror of a whole sweep made good: what W&B lacks is told again from the journals, or sent from offline files."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import RunDir, Store, run_title
from experiments.track.card import run_card, run_summary
from experiments.track.replay import replay
from experiments.track.wandb.files import folders, log_file, missing, read_folder
from experiments.track.wandb.outputs import outputs_of
from experiments.track.wandb.record import Project, is_noted, journal_digest, note
from experiments.track.wandb.tracker import UPLOAD_SECONDS, WandbTracker, wandb_courier

What = Literal["told", "sent", "there", "running", "not begun", "failed"]
TOGETHER = 16  # runs sent by one command


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What was done about one run, and why not more.

    "told": its journal was told to W&B, "sent": its offline files were, "there": W&B had it, "running": it mirrors
    itself, "not begun": there is nothing to mirror, "failed": see `why`.
    """

    run_id: str
    name: str
    what: What
    why: str = ""


def replay_sweep(
    store: Store,
    plan: SavedPlan,
    project: Project,
    *,
    mode: Literal["online", "offline"],
    artifacts: bool = False,
) -> Iterator[Mirrored]:
    """Tell W&B of every run of a saved plan by its journal, one after another; what W&B has is passed over.

    Online, what the server has of a run is passed over step by step. Offline, a run whose files hold all of its journal
    is passed over whole, and any other gets a new folder that does. With `artifacts` the weights of finished runs go
    along.
    """
    sound, damaged = _sound(planned_runs(store, plan))
    yield from damaged
    for runs in _batches(sound):
        standing = {run.run_id: _standing(run, project if mode == "online" else None) for run in runs}
        told = _tell([run for run in runs if standing[run.run_id] is None], plan, project, mode, artifacts)
        yield from (told.get(run.run_id) or _mirrored(run, standing[run.run_id] or "failed") for run in runs)


def sync_sweep(store: Store, plan: SavedPlan, project: Project) -> Iterator[Mirrored]:
    """Send the offline files of every run of a saved plan to W&B's server, once.

    Of several folders of one run the newest that holds all of its journal is sent: every attempt tells the whole story
    again. Where none does, say because the process was killed, one is made from the journal first.
    """
    sound, damaged = _sound(planned_runs(store, plan))
    yield from damaged
    for runs in _batches(sound):
        digests = {run.run_id: journal_digest(run.path) for run in runs}
        standing = {run.run_id: _standing(run, project) for run in runs}
        open_runs = [run for run in runs if standing[run.run_id] is None]
        done = _tell([run for run in open_runs if whole_folder(run) is None], plan, project, "offline")
        files = {run.run_id: log_file(folder) for run in open_runs if (folder := whole_folder(run)) is not None}
        why = _send([file for file in files.values() if file is not None], project)
        for run in runs:
            file = files.get(run.run_id)
            if file is None:
                yield done.get(run.run_id) or _mirrored(run, standing[run.run_id] or "failed")
            elif _marker(file).exists():  # the command itself ends well whatever happens
                note(run.path, project.place, digests[run.run_id])
                yield _mirrored(run, "sent")
            else:
                yield _mirrored(run, "failed", why)


def planned_runs(store: Store, plan: SavedPlan) -> list[RunDir]:
    """The runs of a saved plan, each once, teachers first."""
    return list(map(store.run, plan.run_names))


def whole_folder(run: RunDir) -> Path | None:
    """The newest folder of offline files that holds all of a run's journal and says how it ended; None without one."""
    return next((folder for folder in reversed(folders(run.path)) if not _lost(run, folder)), None)


def _lost(run: RunDir, folder: Path) -> list[str]:
    """What of a run's journal a folder lacks, in words. A picture that is no longer on disk is not asked for."""
    logged = read_folder(folder)
    drawn = [picture for picture in run.picture_rows() if (run.path / picture.path).is_file()]
    end = ["its end"] if logged.exit_code is None else []
    return missing(run.metrics(), drawn, logged) + end


def _sound(runs: Sequence[RunDir]) -> tuple[list[RunDir], list[Mirrored]]:
    """The runs that can be told of, and what is wrong with the others."""
    sound, others = [], []
    for run in runs:
        why = run.damage() or run.journal_fault(run.result())
        if why:
            others.append(Mirrored(run_id=run.run_id, name="", what="failed", why=why))
        else:
            sound.append(run)
    return sound, others


def _batches(runs: Sequence[RunDir]) -> Iterator[Sequence[RunDir]]:
    return (runs[start : start + TOGETHER] for start in range(0, len(runs), TOGETHER))


def _standing(run: RunDir, project: Project | None) -> What | None:
    """Why there is nothing to do for a run on a project, or in its files where that is None; None where there is."""
    if not (run.path / "run.json").exists() or run.last_event() is None:
        return "not begun"
    if run.holder() is not None:
        return "running"
    there = whole_folder(run) is not None if project is None else is_noted(run.path, project.place)
    return "there" if there else None


def _mirrored(run: RunDir, what: What, why: str = "") -> Mirrored:
    return Mirrored(run_id=run.run_id, name=_name(run), what=what, why=why)


def _name(run: RunDir) -> str:
    return run_title(run.spec()) if (run.path / "run.json").exists() else ""


def _tell(
    runs: Sequence[RunDir],
    plan: SavedPlan,
    project: Project,
    mode: Literal["online", "offline"],
    artifacts: bool = False,
) -> dict[str, Mirrored]:
    """Tell W&B of runs by their journals; what came of each."""
    courier = wandb_courier(patience_seconds=UPLOAD_SECONDS * len(runs))
    trackers = []
    for run in runs:
        result = run.result()
        commit = result.provenance.get("commit") if result else None
        tracker = WandbTracker(
            run_card(run.run_id, run.spec(), sweep=plan.sweep, profile=plan.profile, commit=commit),
            run_dir=run.path,
            courier=courier,
            project=project,
            mode=mode,
            outputs=outputs_of(run, run.spec()["teacher_id"], weights=artifacts),
            times={row.step: row.time for row in run.metrics()},
            wait_seconds=UPLOAD_SECONDS,
        )
        replay(run.path / "journal.jsonl", tracker, run_summary(result) if result else None)
        trackers.append(tracker)
    in_time = courier.close()
    done = {}
    for run, tracker in zip(runs, trackers, strict=True):
        why = tracker.fault or ("" if in_time else "W&B gave no answer in time")
        if not why and mode == "offline" and (lost := _lost(run, folders(run.path)[-1])):
            why = f"W&B's files lack {', '.join(lost)}"
        done[run.run_id] = _mirrored(run, "failed" if why else "told", why)
    return done


def _send(files: Sequence[Path], project: Project) -> str:
    """Send offline files as `wandb sync` does, marking each that arrived; what it said last."""
    if not files:
        return ""
    for file in files:
        _marker(file).unlink(missing_ok=True)  # it tells of another project, or of an older state of the run
    command = [sys.executable, "-P", "-m", "wandb", "sync", "--project", project.project]
    command += ["--entity", project.entity] if project.entity else []
    try:
        done = subprocess.run(
            [*command, *map(str, files)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UPLOAD_SECONDS * len(files),
        )
    except subprocess.TimeoutExpired:
        return f"`wandb sync` did not end in {UPLOAD_SECONDS * len(files):.0f} s"
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[-1] if said else f"`wandb sync` ended with {done.returncode} and did not say why"


def _marker(file: Path) -> Path:
    """The file that W&B puts beside one it has sent."""
    return file.with_suffix(".wandb.synced")
