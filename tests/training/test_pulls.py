"""What each term of a loss pulls."""

from pathlib import Path

import pytest
import torch
from test_cohort import NONE, Witness, member, train
from torch import nn

from distilpose.training import cohort
from distilpose.training.pulls import pulls


def test_shares_gradients_and_cosines_of_a_case_worked_by_hand():
    shared, head = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([3.0]))
    terms = {"reg": (shared * torch.tensor([3.0, 4.0])).sum() + head.sum(), "KT": -2 * shared[0]}
    found = pulls(terms, [shared, head])
    # reg = 11 + 3 and KT = -2; on the part both reach, their gradients are (3, 4) and (-2, 0).
    assert found == pytest.approx(
        {"reg_share": 14 / 16, "KT_share": 2 / 16, "reg_gradient": 5, "KT_gradient": 2, "reg_KT_cosine": -0.6}
    )


def test_a_loss_of_one_term_says_nothing():
    weight = nn.Parameter(torch.ones(1))
    assert pulls({"reg": weight.sum(), "off": torch.zeros(())}, [weight]) == {}


def test_terms_that_share_no_parameter_have_shares_alone():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    assert pulls({"A": a.sum(), "B": b.sum()}, [a, b]) == pytest.approx({"A_share": 0.5, "B_share": 0.5})


def test_looking_changes_no_number_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = {}
    for look in (False, True):
        monkeypatch.setattr(cohort, "is_due", lambda step, look=look: look)
        witness = Witness()
        run = member("run", tmp_path / str(look))
        train([run, member("none", tmp_path / f"none{look}", NONE)], witness=witness)
        said[look] = witness.values["run"], run.model.state_dict()
    plain = [values for values in said[True][0] if not any(name.startswith("pull/") for name in values)]
    looked = [values for values in said[True][0] if any(name.startswith("pull/") for name in values)]
    assert [{k: v for k, v in values.items() if "second" not in k} for values in plain] == [
        {k: v for k, v in values.items() if "second" not in k} for values in said[False][0]
    ]
    assert len(looked) == 6
    assert set(looked[0]) > {"pull/KT_share", "pull/KT_gradient", "pull/reg_KT_cosine"}
    for name, value in said[False][1].items():
        assert torch.equal(value, said[True][1][name])
