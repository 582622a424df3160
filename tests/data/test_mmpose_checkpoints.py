"""The published checkpoints of mmpose's configurations: found in its own list, fetched with their checksums."""

import hashlib
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("mmpose", reason="needs the extra mmpose")

from file_server import serving

from distilpose.integrations.mmpose_checkpoints import published_checkpoint
from distilpose.integrations.mmpose_configs import MMPoseConfigError
from experiments.cli.main import app
from experiments.sweep.sweep_file import find_sweep, read_sweep

HRNET = "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py"
PATH = "/mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth"


def test_every_teacher_of_the_sweep_has_its_published_checkpoint() -> None:
    rows = read_sweep(find_sweep("teachers")).profile("paper").rows
    given = [row.recipe.given_teacher for row in rows if row.recipe.given_teacher is not None]
    assert len(set(given)) == 6
    for teacher in given:
        assert published_checkpoint(teacher.config).name == Path(teacher.checkpoint).name


def test_a_configuration_without_one_is_refused() -> None:
    with pytest.raises(MMPoseConfigError, match="must be one that mmpose ships"):
        published_checkpoint("mine.py")
    with pytest.raises(MMPoseConfigError, match="lists no checkpoint"):
        published_checkpoint("mmpose::_base_/default_runtime.py")


def test_checkpoints_are_fetched_with_their_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is ours, and so its checksum: the list is told that of the content."""
    content = b"weights" * 100
    beginning = hashlib.sha256(content).hexdigest()[:8]
    remote = published_checkpoint(HRNET)
    assert (remote.url, remote.checksum) == (f"https://download.openmmlab.com{PATH}", "sha256:81c58e40")
    sweep = tmp_path / "one.yaml"
    sweep.write_text(
        re.sub(r"\n  - \{row: \"(?!under HRNet-W32).*", "", find_sweep("teachers").read_text()).replace(
            "mmpose/td-hm_hrnet-w32", f"{tmp_path}/td-hm_hrnet-w32"
        )
    )
    file = tmp_path / PATH.rpartition("/")[2]
    with serving() as server:
        server.files[PATH] = content
        command = ["data", "teachers", str(sweep), "--server", server.url]
        refused = CliRunner().invoke(app, command)
        assert refused.exit_code != 0  # not the published file
        assert not file.exists()
        monkeypatch.setattr("distilpose.integrations.mmpose_checkpoints._sum_of", lambda url: beginning)
        server.cuts = [200]
        assert CliRunner().invoke(app, command).exit_code == 0
        assert file.read_bytes() == content
        asked = len(server.asked)
        assert CliRunner().invoke(app, command).exit_code == 0
        assert len(server.asked) == asked  # is there already
