"""A teacher that comes trained, identified by the content of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from distilpose.integrations.mmpose_configs import SHIPPED, config_files
from experiments.runs.digest import digest
from experiments.sweep.choices import MMPoseChoice


def given_teacher_id(choice: MMPoseChoice) -> str:
    """The id of the teacher in these files: equal for equal content, wherever they are.

    A configuration counts with those in its `_base_`; those that mmpose ships (`mmpose::...`) count by name. Raises
    ValueError where a file is missing, or the configuration cannot be read.
    """
    shipped = choice.config.startswith(SHIPPED)
    for field, file in (("config", choice.config), ("checkpoint", choice.checkpoint)):
        if not (shipped and field == "config") and not Path(file).is_file():
            rule = f"must be a file, got {file!r} and none there"
            hint = "; `distilpose data teachers SWEEP` fetches published ones" if field == "checkpoint" else ""
            raise ValueError(f"teacher.mmpose.{field}: {rule}{hint}")
    try:
        sources = (
            [choice.config.encode()] if shipped else [file.read_bytes() for file in config_files(Path(choice.config))]
        )
    except ValueError as error:
        raise ValueError(f"teacher.mmpose.config: {error}") from error
    texts = [hashlib.sha256(text).hexdigest() for text in sources]
    with Path(choice.checkpoint).open("rb") as stream:
        weights = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"mmpose-{digest([texts, weights])}"
