"""Official files to ours: what is dropped, what is refused, nothing run."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_official import TINY, tiny_official

from distilpose.models import build_model
from distilpose.models.conversion import CheckpointFileError, convert_official, read_official
from distilpose.models.description import Description
from distilpose.models.official import OfficialWeightsError, load_official


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def test_a_training_checkpoint_becomes_bare_weights(tmp_path: Path) -> None:
    state = tiny_official()
    notes = {"epoch": 300, "hook_msgs": {"best_score": np.float64(0.71)}}
    source, target = tmp_path / "official.pth", tmp_path / "ours.safetensors"
    torch.save({"meta": notes, "optimizer": {"state": {0: {"step": 5}}}, "state_dict": state}, source)
    convert_official(source, target, Description(model="distilpose_s", options=TINY))
    expected = build_model("distilpose_s", **TINY)
    load_official(expected, state)
    weights = load_file(target)
    assert all(torch.equal(weights[name], value) for name, value in expected.state_dict().items())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["official.pth", "ours.safetensors"]


def test_bare_and_wrapped_state_dicts_are_read_alike(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "bare.pth")
    torch.save({"state_dict": {"module.a.weight": torch.ones(2)}}, tmp_path / "wrapped.pth")
    assert list(read_official(tmp_path / "bare.pth")) == list(read_official(tmp_path / "wrapped.pth")) == ["a.weight"]


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointFileError, match=r"evil\.pth: holds exec, which would be run"):
        read_official(tmp_path / "evil.pth")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a checkpoint",
        b"hello\n",  # its letters are opcodes of pickle
        b"K",
        b"s",
        b"}.",
        b"<html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        pickle.dumps({"a": 1})[:-3],
        pickle.dumps({"a": 1}, protocol=4),
        b"PK\x03\x04 cut",
    ],
)
def test_what_is_no_checkpoint_is_refused_without_advice_to_run_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(
        CheckpointFileError, match=r"^[^\n]*other\.pth: is not a PyTorch checkpoint, or is damaged"
    ) as error:
        read_official(tmp_path / "other.pth")
    assert "weights_only" not in str(error.value)


def test_a_missing_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointFileError, match=r"missing\.pth: cannot be read: No such file"):
        read_official(tmp_path / "missing.pth")


def test_weights_without_numbers_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2, device="meta")}, tmp_path / "meta.pth")
    torch.save({"a": torch.eye(2).to_sparse()}, tmp_path / "sparse.pth")
    for name in ("meta.pth", "sparse.pth"):
        with pytest.raises(CheckpointFileError, match=rf'{name}: "a": must be a dense tensor'):
            read_official(tmp_path / name)


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    torch.save({"state_dict": {"epoch": 3}}, tmp_path / "plain.pth")
    with pytest.raises(CheckpointFileError, match="must hold a state_dict, got a list"):
        read_official(tmp_path / "list.pth")
    with pytest.raises(CheckpointFileError, match="got no tensors"):
        read_official(tmp_path / "plain.pth")


def test_another_models_file_writes_nothing(tmp_path: Path) -> None:
    torch.save(tiny_official(), tmp_path / "official.pth")
    other = Description(model="base_stemnet", options=TINY)
    with pytest.raises(OfficialWeightsError, match=r"mlp_head.1.weight is \(5, 8\), the model's is \(2, 8\)"):
        convert_official(tmp_path / "official.pth", tmp_path / "ours.safetensors", other)
    assert not (tmp_path / "ours.safetensors").exists()
