"""Whether and where there is a W&B server to mirror runs to."""

import logging
import netrc
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from experiments.runs.job import Mode

REACH_SECONDS = 5.0  # for a connection

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
            "(`distilpose wandb replay SWEEP --mode offline` needs none)"
        )
    try:
        reach_server(environment)
    except OSError as error:
        raise ConnectionError(f"wandb: {url} is out of reach ({error}); nothing was sent") from None


def default_entity() -> str:
    """Return the user or team that the key belongs to.

    Raises ValueError where the server names none.
    """
    import wandb

    entity = wandb.Api().default_entity
    if not entity:
        raise ValueError("wandb: entity: must be given by --entity, since the key names none")
    return str(entity)


def server(environment: Mapping[str, str]) -> SplitResult:
    """Return the address of the server that the environment names, or else of W&B's own.

    Raises ValueError for what is no address.
    """
    named = environment.get("WANDB_BASE_URL") or "https://api.wandb.ai"
    try:
        url = urlsplit(named)
        if url.hostname and url.scheme in ("http", "https") and url.port != 0:
            return url
    except ValueError:
        pass
    raise ValueError(f"wandb: WANDB_BASE_URL: must be an address such as https://api.wandb.ai, got {named!r}")


def has_key(environment: Mapping[str, str]) -> bool:
    """Return whether W&B would find a key, without asking it: it would ask the user. What cannot be read warns."""
    if environment.get("WANDB_API_KEY"):
        return True
    file = _netrc_file(environment)
    try:
        return netrc.netrc(str(file)).authenticators(server(environment).hostname or "") is not None
    except FileNotFoundError:
        return False
    except (OSError, ValueError, netrc.NetrcParseError) as error:
        log.warning("W&B's key is not read from %s (%s: %s)", file, type(error).__name__, error)
        return False


def forget_empty_variables() -> None:
    """Take empty WANDB_* variables out of this process's environment: W&B calls them wrong, people call them unset."""
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]


def what_wandb_reads() -> str:
    """Return the names of the variables and files that decide how W&B starts, those that are there."""
    config = os.environ.get("WANDB_CONFIG_DIR") or _home(os.environ) / ".config" / "wandb"
    files = (Path(config, "settings"), Path(os.environ.get("WANDB_DIR") or ".", "wandb", "settings"))
    names = sorted(name for name in os.environ if name.startswith("WANDB_"))
    return ", ".join([*names, *(str(file) for file in (*files, _netrc_file(os.environ)) if file.exists())])


def _netrc_file(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("NETRC") or _home(environment) / ".netrc")


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 (Path's raises where there is none)
