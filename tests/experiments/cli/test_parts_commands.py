"""`parts`, `check` and `new`, as a user types them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said

from distilpose.heads import HEADS
from distilpose.losses.contract import check_loss
from distilpose.losses.table import LOSSES
from distilpose.losses.use import Losses
from distilpose.models.published import MODELS


def test_parts_lists_every_loss_model_and_head_with_its_options(distilpose: Callable[..., Said]) -> None:
    code, out, _ = distilpose("parts")
    assert code == 0
    assert all(f"\n  {name} " in out for name in LOSSES)
    assert "form: per_sample, official (default per_sample)" in out
    assert all(f"\n  {name} " in out for name in (*MODELS, *HEADS))
    assert "width=64, dim=192, depth=12, heads=8, patch=(4, 3)" in out


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_ours_keeps_the_contract(name: str) -> None:
    findings = list(check_loss(Losses.of({name: 1}).uses[0]))
    assert len(findings) == 7
    assert [finding for finding in findings if finding.fault] == []


@pytest.mark.parametrize(
    ("body", "promise"),
    [
        ("(keypoints - true_keypoints).abs()", "gives one finite number"),
        ("(keypoints - true_keypoints).abs().mean() / 0", "gives one finite number"),
        ("(keypoints.detach() - true_keypoints).abs().mean()", "has finite gradients"),
        ("(keypoints - true_keypoints).square().mean() * visible.mean()", "gives invisible joints no gradient"),
        ("(keypoints * visible[..., None]).mean() + torch.rand(1).mean()", "gives the same number again"),
        ("keypoints.mul_(visible[..., None]).mean()", "gives the same number again"),
        ("(keypoints[0] * visible[0][..., None]).mean()", "does not depend on the order of people"),
        ("(keypoints * visible[..., None]).sum()", "gives each person's value by itself"),
        (
            "((keypoints * visible[..., None]) @ (keypoints * visible[..., None]).mT + 900 - 900).mean()",
            "works in bf16",
        ),
        ("undefined", "gives one finite number"),
    ],
)
def test_a_loss_that_breaks_a_promise_is_told_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distilpose: Callable[..., Said], body: str, promise: str
) -> None:
    text = f"import torch\n\n\ndef bad(keypoints, true_keypoints, visible):\n    return {body}\n"
    (tmp_path / "bad.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, _ = distilpose("check", "bad.py:bad")
    assert code == 1
    assert f"FAILED  {promise}" in out


@pytest.mark.parametrize("kind", ["loss", "model", "head"])
def test_a_new_part_comes_with_a_test_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distilpose: Callable[..., Said], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert distilpose("new", kind, "mine")[0] == 0
    assert distilpose("check", "mine.py:mine")[0] == 0
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."], check=False)
    assert done.returncode == 0
    assert distilpose("new", kind, "mine")[0] == 2
    assert distilpose("new", kind, "a/b")[0] == 2
