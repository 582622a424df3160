from pathlib import Path

import pytest
import torch
from torch import nn

from distilpose.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def test_the_newest_checkpoint_is_loaded(tmp_path: Path) -> None:
    for step in (5, 100, 20):
        save_checkpoint(tmp_path, step, {"step": step, "tensor": torch.full((3,), float(step))})
    state, damaged = load_checkpoint(tmp_path)
    assert state is not None
    assert damaged == ()
    assert state["step"] == 100
    assert state["tensor"].tolist() == [100.0] * 3


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in range(5):
        save_checkpoint(tmp_path, step, {"step": step})
    assert [file.name[:13] for file in sorted(tmp_path.iterdir())] == ["step-00000003", "step-00000004"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, 1, {"step": 1})
    newest = save_checkpoint(tmp_path, 2, {"step": 2})
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert load_checkpoint(tmp_path) == ({"step": 1}, (newest,))
    assert newest.name in caplog.text


def test_a_folder_without_checkpoints_has_no_state(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "absent") == (None, ())


def test_a_checkpoint_cannot_carry_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    save_checkpoint(tmp_path, 1, {"trap": Trap()})
    with pytest.raises(Exception, match="Weights only load failed"):
        load_checkpoint(tmp_path)


def test_weights_come_back_equal(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    save_weights(tmp_path / "deep" / "weights.safetensors", model)
    loaded = load_weights(tmp_path / "deep" / "weights.safetensors")
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
