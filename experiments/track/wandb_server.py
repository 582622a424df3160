"""Whether and where there is a W&B server to mirror runs to."""

import logging
import netrc
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

Mode = Literal["auto", "online", "offline", "disabled"]
REACH_SECONDS = 5.0  # for a connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbOptions:
    """Whether runs are mirrored to W&B, with the weights too (`artifacts`), and where: see `Project.of`.

    Raises ValueError for an unknown mode.
    """

    mode: Mode = "disabled"
    artifacts: bool = False
    project: str | None = None
    entity: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ValueError(f"wandb: mode: must be one of {', '.join(get_args(Mode))}, got {self.mode!r}")


def resolve_mode(mode: Mode, environment: Mapping[str, str] | None = None) -> Literal["online", "offline", "disabled"]:
    """Return the mode meant by "auto", and any other mode as it is.

    An environment (by default the process's own) without a usable WANDB_MODE is searched for a key.

    Raises ValueError for another mode.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"wandb: mode: must be one of {', '.join(get_args(Mode))}, got {mode!r}")
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
    """Return the address of the server that the environment names, or else of W&B's own."""
    return urlsplit(environment.get("WANDB_BASE_URL") or "https://api.wandb.ai")


def has_key(environment: Mapping[str, str]) -> bool:
    """Return whether W&B would find a key, without asking it: it would ask the user."""
    if environment.get("WANDB_API_KEY"):
        return True
    host = server(environment).hostname or ""
    file = Path(environment.get("NETRC") or Path(environment.get("HOME", "~")).expanduser() / ".netrc")
    try:
        return netrc.netrc(str(file)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
