import dataclasses
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sweeps import FACTS, recipe_of

from distilpose.data.augmentation import Augmentation
from distilpose.losses.table import LOSSES, BuiltIn
from distilpose.training.schedule import Schedule
from distilpose.versions import ALL, Code
from experiments.build.facts import DataFacts
from experiments.plan.identity import run_id, run_identity
from experiments.runs.digest import canonical, digest
from experiments.sweep.choices import DataChoice, EvaluationChoice
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import run_recipe_from_json, to_json

VALUES: dict[str, Any] = {
    "student": {"model": "distilpose_s"},
    "teacher": {
        "model": "teacher_stemnet",
        "schedule": {"epochs": 2, "batch_size": 4},
        "augmentation": {},
        "precision": "fp32",
    },
    "losses": {"reg": 1, "KT": 5e-4},
    "input_size": [192, 256],
    "data": {"root": "data/people"},
    "augmentation": {},
    "schedule": {"epochs": 2, "batch_size": 4},
    "evaluation": {},
}


def _run(seed: int = 0, **changes: Any) -> RunRecipe:
    return recipe_of({**VALUES, **changes}).student_run(seed)


def _id(recipe: RunRecipe, facts: DataFacts = FACTS, teacher: str | None = "t") -> str:
    return run_id(recipe, facts, teacher)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [_shuffled(item, order) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(value=JSON, seed=st.integers(0, 99))
def test_the_order_of_keys_changes_nothing(value: Any, seed: int) -> None:
    assert canonical(_shuffled(value, random.Random(seed))) == canonical(value)


@settings(deadline=None)
@given(value=JSON)
def test_canonical_text_is_json_of_the_same_value_and_stable(value: Any) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_negative_zero_is_zero_and_what_is_no_number_is_refused() -> None:
    assert digest({"x": -0.0}) == digest({"x": 0.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99))
def test_the_order_of_a_recipes_fields_changes_no_id(seed: int) -> None:
    assert _id(_run(**_shuffled(VALUES, random.Random(seed)))) == _id(_run())


@settings(deadline=None)
@given(whole=st.integers(0, 9))
def test_a_whole_number_for_a_weight_is_the_same_weight(whole: int) -> None:
    assert _id(_run(losses={"reg": 1, "KT": whole})) == _id(_run(losses={"reg": 1, "KT": float(whole)}))


def test_writing_a_default_out_changes_no_id() -> None:
    written = _run(
        student={"model": "distilpose_s", "width": 64, "dim": 192, "depth": 12, "heads": 8, "patch": [4, 3]},
        losses={"reg": 1, "KT": 5e-4, "VT": 0, "SH": 0, "CS": 0},
        augmentation={"flip": 0.5, "rotation": 45},
        schedule={"epochs": 2, "batch_size": 4, "lr": 0.001, "milestones": []},
        precision="fp32",
        evaluation={"flip_test": True, "boxes": "gt"},
    )
    assert _id(written) == _id(_run())
    adam = {"name": "adam", "betas": [0.9, 0.999], "weight_decay": 0}
    assert _id(_run(optimizer=adam, ema=None, clip_grad_norm=None, compile=False)) == _id(_run())


def test_of_a_schedule_only_what_its_decay_uses_counts() -> None:
    def of(**schedule: Any) -> str:
        return _id(_run(schedule={**VALUES["schedule"], **schedule}))

    assert of(decay="cosine", milestones=[1], gamma=0.5) == of(decay="cosine")
    assert len({of(), of(milestones=[1]), of(decay="cosine"), of(decay="cosine", floor=0.1), of(decay="linear")}) == 5


DEFAULTS: dict[str, dict[str, Any]] = {
    name: {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in dataclasses.fields(record)
        if field.default is not dataclasses.MISSING
    }
    for name, record in {
        "augmentation": Augmentation,
        "schedule": Schedule,
        "evaluation": EvaluationChoice,
        "data": DataChoice,
    }.items()
}


@settings(deadline=None)
@given(data=st.data())
def test_any_default_may_be_written_out_or_left_out(data: st.DataObject) -> None:
    written = {
        name: {**{field: defaults[field] for field in sorted(data.draw(st.sets(st.sampled_from(sorted(defaults)))))}}
        for name, defaults in DEFAULTS.items()
    }
    values = {name: {**written[name], **VALUES[name]} for name in written}
    if data.draw(st.booleans()):
        values["precision"] = "fp32"
    assert _id(_run(**values)) == _id(_run())


@settings(deadline=None)
@given(number=st.integers(0, 2**53), field=st.sampled_from(["lr", "gamma"]))
def test_a_whole_number_for_any_rate_is_the_same_rate(number: int, field: str) -> None:
    def rate(value: float) -> str:
        return _id(_run(schedule={**VALUES["schedule"], field: value}))

    assert rate(number + 1) == rate(float(number + 1))


@settings(deadline=None)
@given(root=st.text(st.characters(codec="utf-8"), min_size=1), split=st.text(min_size=1))
def test_no_path_and_no_split_name_is_in_an_identity(root: str, split: str) -> None:
    assert _id(_run(data={"root": root, "train": split, "val": split})) == _id(_run())


def test_what_a_machine_offers_is_no_part_of_a_run() -> None:
    names: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            names.update(value)
            for item in value.values():
                collect(item)

    collect(run_identity(_run(), FACTS, "t"))
    assert names & {"device", "devices", "workers", "threads", "host", "root", "path", "wandb", "sweep", "row"} == set()
    assert "batch_size" in names


def test_where_the_data_lie_changes_no_id_and_what_they_are_does() -> None:
    assert _id(_run(data={"root": "elsewhere", "train": "a", "val": "b"})) == _id(_run())
    assert _id(_run(), dataclasses.replace(FACTS, fingerprint="other")) != _id(_run())
    assert _id(_run(), dataclasses.replace(FACTS, boxes="other")) != _id(_run())


@pytest.mark.parametrize(
    "change",
    [
        {"student": {"model": "distilpose_s", "depth": 3}},
        {"student": {"model": "base_stemnet"}},
        {"student": {"model": "distilpose_s", "init": "teacher_backbone"}},
        {"losses": {"reg": 1, "KT": 1e-3}},
        {"losses": {"reg": 1, "KT": {"weight": 5e-4, "over_time": {"decay": "linear"}}}},
        {"input_size": [96, 128]},
        {"augmentation": {"rotation": 40}},
        {"schedule": {"epochs": 3, "batch_size": 4}},
        {"precision": "bf16"},
        {"evaluation": {"flip_test": False}},
        {"evaluation": {"flip_scores": "official"}},
        {"evaluation": {"best_by": "PCK@0.1"}},
        {"schedule": {**VALUES["schedule"], "decay": "constant"}},
        {"optimizer": {"name": "adamw"}},
        {"optimizer": {"weight_decay": 0.1}},
        {"ema": 0.9998},
        {"clip_grad_norm": 1},
        {"compile": True},
    ],
    ids=str,
)
def test_whatever_can_change_the_result_changes_the_id(change: dict[str, Any]) -> None:
    assert _id(_run(**change)) != _id(_run())


def test_the_seed_and_the_teacher_are_part_of_the_id() -> None:
    assert len({_id(_run(seed=seed)) for seed in range(3)}) == 3
    assert _id(_run(), teacher="t") != _id(_run(), teacher="u")
    assert _id(_run(), teacher=None) != _id(_run())


@pytest.mark.parametrize(("name", "option", "ours"), [("SH", "form", "per_sample"), ("CS", "cell", "nearest")])
def test_an_option_counts_where_it_is_not_the_default_and_its_loss_is_on(name: str, option: str, ours: str) -> None:
    def form(weight: float, value: str) -> str:
        return _id(_run(losses={"reg": 1, name: {"weight": weight, option: value}}))

    assert form(0, "official") == form(0, ours) == _id(_run(losses={"reg": 1}))
    assert form(1, "official") != form(1, ours) == _id(_run(losses={"reg": 1, name: 1}))


def test_a_loss_that_nobody_uses_changes_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _id(_run())
    monkeypatch.setitem(LOSSES, "new", BuiltIn(source="regression.py:regression_loss"))
    monkeypatch.setitem(ALL, "loss new", Code(version=1, files=("losses/regression.py",)))
    assert _id(_run()) == before
    assert _id(_run(losses={"reg": 1, "KT": 5e-4, "new": 1})) != before


def test_the_version_of_code_that_a_run_uses_is_part_of_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    used, unused = _id(_run()), _id(_run(losses={"reg": 1}))
    monkeypatch.setitem(ALL, "loss KT", dataclasses.replace(ALL["loss KT"], version=99))
    assert _id(_run()) != used
    assert _id(_run(losses={"reg": 1})) == unused


def _circling(**circulation: Any) -> RunRecipe:
    student = {"model": "sdpose_t", "cycles": 2}
    return _run(student=student, teacher=None, losses=None, circulation=circulation)


def test_every_choice_of_circulation_changes_the_id_and_a_default_written_out_does_not() -> None:
    tokens = {"KT": 5e-6, "VT": 5e-6}
    choices = [{}, tokens, {**tokens, "stop_gradient": True}, {"KT": 5e-6}, {"heatmap": 2, **tokens}]
    assert len({_id(_circling(**choice), teacher=None) for choice in choices}) == len(choices)
    written = _circling(heatmap=1.0, stop_gradient=False, **tokens)
    assert _id(written, teacher=None) == _id(_circling(**tokens), teacher=None)


def test_stopping_a_gradient_counts_only_where_cycles_are_compared() -> None:
    assert _id(_circling(stop_gradient=True)) == _id(_circling())


def test_how_a_regressions_flip_test_is_done_means_nothing_to_a_heatmap_student() -> None:
    changed = dataclasses.replace(_circling(), evaluation=_run(evaluation={"flip_scores": "official"}).evaluation)
    assert _id(changed) == _id(_circling())


def test_a_circling_run_survives_json() -> None:
    recipe = _circling(KT=5e-6, stop_gradient=True)
    assert run_recipe_from_json(json.loads(json.dumps(to_json(recipe)))) == recipe


def test_a_run_written_before_there_was_circulation_is_still_read() -> None:
    old = to_json(_run())
    del old["circulation"]
    assert run_recipe_from_json(old) == _run()


def test_how_the_flip_test_is_done_counts_only_where_it_is_done() -> None:
    off = {"flip_test": False}
    assert _id(_run(evaluation={**off, "flip_scores": "official"})) == _id(_run(evaluation=off))


def test_a_run_recipe_survives_json() -> None:
    recipe = _run(student={"model": "distilpose_s", "patch": [4, 3]})
    assert run_recipe_from_json(json.loads(json.dumps(to_json(recipe)))) == recipe
    assert run_identity(recipe, FACTS, None)["model"]["patch"] == [4, 3]


def test_an_id_is_twelve_hexadecimal_digits_that_stay() -> None:
    # Of this identity by `printf '{"a":1.0}' | sha256sum`; a change here makes every finished run a stranger.
    assert digest({"a": 1.0}) == "c29a44abc114"
