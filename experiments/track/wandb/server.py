"""Whether and where there is a W&B server to mirror runs to."""

import configparser
import contextlib
import json
import logging
import netrc
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

Mode = Literal["auto", "online", "offline", "disabled"]
REACH_SECONDS = 5.0  # for a connection
_LOOKS = 6  # in 8 s: a server may show a moment later what it has
OWN = ("api.wandb.ai", "api.forge.coreweave.com")  # W&B's own server, before wandb 0.31 and since

log = logging.getLogger(__name__)


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
    return "online" if has_key(environment) else "offline"


def reach_server(environment: Mapping[str, str] | None = None) -> None:
    """Connect to W&B's server and hang up; nothing is sent. Behind a proxy nothing is tried.

    W&B itself tries for a minute and more, and afterwards holds the run's id so that it cannot be opened offline.

    Raises OSError when there is no connection.
    """
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")):
        return
    url = server(environment)
    port = url.port or (80 if url.scheme == "http" else 443)
    with socket.create_connection((url.hostname, port), timeout=REACH_SECONDS):
        pass


def check_server(environment: Mapping[str, str] | None = None) -> None:
    """Raise ValueError where there is no key for W&B's server, ConnectionError where it does not answer."""
    if environment is None:
        forget_empty_variables()
    environment = os.environ if environment is None else environment
    url = server(environment).geturl()
    if not has_key(environment):
        raise ValueError(
            f"wandb: there is no key for {url}; run `wandb login` or set WANDB_API_KEY "
            "(`--track wandb:offline` needs none)"
        )
    try:
        reach_server(environment)
    except OSError as error:
        raise ConnectionError(f"wandb: {url} is out of reach ({error}); nothing was sent") from None


_ARRIVED = """query Arrived($project: String!, $entity: String, $run: String!, $names: [String!]) {
  model(name: $project, entityName: $entity) { bucket(name: $run, missingOk: true) {
    historyLineCount summaryMetrics files(names: $names, first: 50) { edges { node { name sizeBytes } } } } } }"""


def check_arrived(run: Any, *, steps: int, status: str) -> None:
    """Raise ConnectionError where the server lacks something of a finished W&B run: W&B itself does not say so.

    Asked for are the summary's `status`, which is sent last, the number of steps, where the server counts them, and
    every file.
    """
    folder = Path(run.dir)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.glob("media/**/*") if file.is_file())
    for attempt in range(_LOOKS):
        time.sleep(0.25 * 2 ** (attempt - 1) if attempt else 0)
        if not (lacks := _lacks(run, names, steps, status)):
            return
    raise ConnectionError(f"the server lacks {lacks}")


def _lacks(run: Any, names: Sequence[str], steps: int, status: str) -> str:
    for start in range(0, max(1, len(names)), 50):
        some = names[start : start + 50]
        found = _ask(_ARRIVED, {"project": run.project, "entity": run.entity, "run": run.id, "names": some})
        bucket = (found.get("model") or {}).get("bucket")
        if bucket is None:
            return "the run"
        if json.loads(bucket["summaryMetrics"] or "{}").get("status") != status:
            return "its end"
        if 0 < bucket["historyLineCount"] < steps:
            return f"{steps - bucket['historyLineCount']} steps"
        there = {edge["node"]["name"] for edge in bucket["files"]["edges"] if int(edge["node"]["sizeBytes"] or 0)}
        if missing := sorted(set(some) - there):
            return f"{len(missing)} files, {missing[0]} among them"
    return ""


def _ask(query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    import requests

    key = _key(os.environ)
    answer = requests.post(
        server(os.environ).geturl().rstrip("/") + "/graphql",
        json={"query": query, "variables": variables},
        auth=("api", key or ""),
        timeout=60,
    )
    answer.raise_for_status()
    return dict(answer.json().get("data") or {})


def server(environment: Mapping[str, str]) -> SplitResult:
    """Return the address of the server that the environment or W&B's settings name, or else of W&B's own.

    Raises ValueError for what is no address.
    """
    named = environment.get("WANDB_BASE_URL") or _settings(environment).get("base_url") or f"https://{OWN[0]}"
    try:
        url = urlsplit(named)
        if url.hostname and url.scheme in ("http", "https") and url.port != 0:
            return url
    except ValueError:
        pass
    raise ValueError(f"wandb: WANDB_BASE_URL: must be an address such as https://api.wandb.ai, got {named!r}")


def has_key(environment: Mapping[str, str]) -> bool:
    """Return whether W&B would find a key, without asking it: it would ask the user. What cannot be read warns."""
    return bool(_key(environment))


def _key(environment: Mapping[str, str]) -> str | None:
    if key := environment.get("WANDB_API_KEY"):
        return key
    file = _netrc_file(environment)
    try:
        url = server(environment)
        hosts = OWN if url.hostname in OWN else (url.netloc, url.hostname or "")
        entries = netrc.netrc(str(file)).hosts
        return next((entries[host][2] for host in hosts if host in entries), None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, netrc.NetrcParseError) as error:
        log.warning("W&B's key is not read from %s (%s: %s)", file, type(error).__name__, error)
        return None


def forget_empty_variables() -> None:
    """Take empty WANDB_* variables out of this process's environment: W&B calls them wrong, people call them unset."""
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]


def what_wandb_reads() -> str:
    """Return the names of the variables and files that decide how W&B starts, those that are there."""
    names = sorted(name for name in os.environ if name.startswith("WANDB_"))
    files = (*_settings_files(os.environ), _netrc_file(os.environ))
    return ", ".join([*names, *(str(file) for file in files if file.exists())])


def _settings(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What `wandb login --host` wrote, say. W&B itself warns of files that it cannot read."""
    settings = configparser.ConfigParser(default_section="", interpolation=None)
    with contextlib.suppress(OSError, ValueError, configparser.Error):
        settings.read(_settings_files(environment), encoding="utf-8")
    return settings["default"] if settings.has_section("default") else {}


def _settings_files(environment: Mapping[str, str]) -> tuple[Path, Path]:
    config = environment.get("WANDB_CONFIG_DIR") or _home(environment) / ".config" / "wandb"
    return Path(config, "settings"), Path(environment.get("WANDB_DIR") or ".", "wandb", "settings")


def _netrc_file(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("NETRC") or _home(environment) / ".netrc")


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 (Path's raises where there is none)
