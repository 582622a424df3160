"""The published checkpoints of the configurations that mmpose ships: where each is, by mmpose's own list."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from distilpose.data.download import Remote
from distilpose.integrations.mmpose_configs import SHIPPED, MMPoseConfigError, config_file


def published_checkpoint(config: str, *, server: str | None = None) -> Remote:
    """Return the checkpoint that mmpose publishes for one of its configurations, `mmpose::...`.

    `server` is another one with the same paths.

    Raises:
        MMPoseMissingError: mmpose is not installed.
        MMPoseConfigError: mmpose does not ship the configuration, or lists no checkpoint for it.

    """
    if not config.startswith(SHIPPED):
        raise MMPoseConfigError(f"config: must be one that mmpose ships, `{SHIPPED}...`, got {config!r}")
    file = config_file(config)
    for index in sorted(file.parent.glob("*.yml")):
        for model in (YAML(typ="safe").load(index) or {}).get("Models", ()):
            url = str(model.get("Weights", ""))
            sum_ = _sum_of(url)
            if Path(str(model.get("Config", ""))).name == file.name and sum_ is not None:
                if server is not None:
                    url = server.rstrip("/") + urlsplit(url).path
                return Remote(url=url, size=None, checksum=f"sha256:{sum_}")
    raise MMPoseConfigError(f"mmpose lists no checkpoint of {config!r}; get one by hand")


def _sum_of(url: str) -> str | None:
    """The beginning of a file's SHA-256, which OpenMMLab writes into its name."""
    found = re.search(r"-([0-9a-f]{8})(_\d{8})?\.pth$", url)
    return None if found is None else found[1]
