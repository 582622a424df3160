"""Weights & Biases as a mirror of runs: the only file that imports it."""

import contextlib
import logging
import netrc
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from experiments.track.protocol import Status

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline", "disabled"]
EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "preempted": 143, "pruned": 0}
REACH_SECONDS = 5.0  # for a connection
WAIT_SECONDS = 60.0  # for a server's answer, at the start and at the end: a dead one delays a run by that, no more


class WandbTracker:
    """Mirrors one run to W&B, to its server or to files under `run_dir/wandb` that `wandb sync` can send later.

    Several may live in one process. Nothing raises: where no server can be reached the run is mirrored offline, and any
    later fault switches the mirror off, each with one warning. `replay` makes up for it afterwards.

    Args:
        run_id: W&B's id of the run. The same id again continues the run online; offline it adds a folder, and
            `wandb sync` joins them.
        name: shown.
        run_dir: the run's directory, which pictures' paths are relative to.
        project: W&B project.
        entity: W&B user or team; None is the key's own.
        group: runs shown together, say the sweep.
        job_type: "student" or "teacher".
        tags: to filter by.
        config: the recipe.
        mode: "online", "offline" or "disabled"; "auto" is what the environment variable WANDB_MODE says or else online
            where there is a key (WANDB_API_KEY or a netrc entry), offline where there is none.

    Raises:
        ValueError: for another mode.
    """

    def __init__(
        self,
        run_id: str,
        *,
        name: str,
        run_dir: Path,
        project: str = "distilpose",
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        mode: Mode = "auto",
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"wandb: mode: must be one of {', '.join(get_args(Mode))}, got {mode!r}")
        self._run: Any = None
        self._run_dir = run_dir
        self._run_id = run_id
        options = {
            "id": run_id,
            "name": name,
            "project": project,
            "entity": entity,
            "group": group,
            "job_type": job_type,
            "tags": list(tags),
            "config": dict(config or {}),
            "dir": str(run_dir),
        }
        chosen = resolve_mode(mode)
        if chosen == "online" and not self._guarded("W&B is out of reach; the run is mirrored offline", reach_server):
            chosen = "offline"
        if chosen != "disabled":
            self._guarded("W&B does not start; the run is not mirrored", lambda: self._open(options, chosen))

    def metrics(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """Log numbers of a step. W&B drops what comes with an earlier step than the last."""
        row = {name: float(value) for name, value in values.items()}
        if epoch is not None:
            row["epoch"] = float(epoch)
        self._send(lambda run: run.log(row, step=step))

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """Log a picture as `pictures/KIND`."""

        def send(run: Any) -> None:
            import wandb

            inside = self._run_dir / path
            file = inside if inside.exists() else Path(path)
            run.log({f"pictures/{kind}": wandb.Image(str(file), caption=caption)}, step=step)

        self._send(send)

    def summary(self, values: Mapping[str, float]) -> None:
        """Put numbers into the run's summary, where W&B's tables read them."""
        self._send(lambda run: run.summary.update({name: float(value) for name, value in values.items()}))

    def close(self, status: Status) -> None:
        """Write what is buffered and end the W&B run, with an exit code that says how (143 for a preempted one)."""

        def send(run: Any) -> None:
            run.summary["status"] = status
            run.finish(exit_code=EXIT_CODES[status])

        self._send(send)
        self._run = None

    def _open(self, options: Mapping[str, Any], mode: Literal["online", "offline"]) -> None:
        import wandb

        self._run_dir.mkdir(parents=True, exist_ok=True)
        wished = {
            "silent": True,
            "console": "off",
            "disable_code": True,
            "disable_git": True,
            "disable_job_creation": True,
            "x_disable_stats": True,  # one sampler of the machine a run would be many of the same
            "init_timeout": WAIT_SECONDS,
            "finish_timeout": WAIT_SECONDS,
        }
        known = {name: value for name, value in wished.items() if name in wandb.Settings.model_fields}
        self._run = wandb.init(
            **options,
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(**known),
        )

    def _send(self, action: Callable[[Any], None]) -> None:
        run = self._run
        if run is not None and not self._guarded("W&B failed; the run goes on without it", lambda: action(run)):
            self._run = None
            with contextlib.suppress(Exception):  # told already; what was logged so far may still be kept
                run.finish(exit_code=EXIT_CODES["failed"])

    def _guarded(self, consequence: str, action: Callable[[], None]) -> bool:
        """Return whether the action went well; warn when not."""
        try:
            action()
        except Exception as error:
            log.warning("run %s: %s (%s: %s)", self._run_id, consequence, type(error).__name__, error)
            return False
        return True


def resolve_mode(mode: Mode, environment: Mapping[str, str] | None = None) -> Literal["online", "offline", "disabled"]:
    """Return the mode meant by "auto", and any other mode as it is.

    An environment (by default the process's own) without a usable WANDB_MODE is searched for a key.
    """
    if mode != "auto":
        return mode
    environment = os.environ if environment is None else environment
    if environment.get("WANDB_DISABLED", "").lower() in ("true", "1"):
        return "disabled"
    wished = environment.get("WANDB_MODE", "")
    if wished == "disabled":
        return "disabled"
    if wished in ("offline", "dryrun"):
        return "offline"
    if wished == "online":
        return "online"
    return "online" if _has_key(environment) else "offline"


def reach_server(environment: Mapping[str, str] | None = None) -> None:
    """Connect to W&B's server and hang up; nothing is sent. Behind a proxy nothing is tried.

    W&B itself tries for a minute and more, and afterwards holds the run's id so that it cannot be opened offline.

    Raises OSError when there is no connection.
    """
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")):
        return
    url = _server(environment)
    port = url.port or (80 if url.scheme == "http" else 443)
    with socket.create_connection((url.hostname, port), timeout=REACH_SECONDS):
        pass


def _server(environment: Mapping[str, str]) -> SplitResult:
    return urlsplit(environment.get("WANDB_BASE_URL") or "https://api.wandb.ai")


def _has_key(environment: Mapping[str, str]) -> bool:
    """Return whether W&B would find a key, without asking it: it would ask the user."""
    if environment.get("WANDB_API_KEY"):
        return True
    host = _server(environment).hostname or ""
    file = Path(environment.get("NETRC") or Path(environment.get("HOME", "~")).expanduser() / ".netrc")
    try:
        return netrc.netrc(str(file)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
