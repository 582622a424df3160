import json
from pathlib import Path

import pytest
from small_sweeps import CIRCLING, SMALL

from distilpose.data.library import find_skeleton
from distilpose.models.published import MODELS
from experiments.sweep.choices import MMPoseChoice
from experiments.sweep.compatibility import pinned_options
from experiments.sweep.expand import MAX_RUNS
from experiments.sweep.recipe import Recipe
from experiments.sweep.recipe_json import run_recipe_from_json, to_json
from experiments.sweep.search_space import MAX_GRID
from experiments.sweep.sweep_file import SWEEPS, SpecError, Sweep, find_sweep, read_sweep
from experiments.sweep.yaml_nodes import MAX_BYTES, MAX_DEPTH, MAX_VALUES


def _read(folder: Path, text: str) -> Sweep:
    file = folder / "sweep.yaml"
    file.write_text(text)
    return read_sweep(file, source="sweep.yaml").profile()


def _problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        _read(folder, text)
    return [str(problem) for problem in caught.value.problems]


def _changed(before: str, after: str) -> str:
    assert SMALL.count(before) == 1
    return SMALL.replace(before, after)


def test_a_sweep_is_read_into_typed_rows(tmp_path: Path) -> None:
    sweep = _read(tmp_path, SMALL)
    assert (sweep.sweep, sweep.profile, sweep.seeds, sweep.baseline) == ("small", "default", (0, 1), "none")
    none, kt = sweep.rows
    assert (none.name, none.paper, none.recipe.losses.get("KT")) == ("none", {"AP": 56.0}, None)
    assert kt.recipe.losses.get("KT").weight == 5e-4
    assert kt.recipe.teacher is not None
    assert kt.recipe.teacher.schedule == kt.recipe.schedule


def test_every_mistake_is_shown_at_once_with_its_place_rule_value_and_nearest_name(tmp_path: Path) -> None:
    text = """\
sweep: broken
titel: x
title: A broken sweep
baseline: nonne
base:
  student: {model: distilpos_s, widht: 24}
  teacher: {model: teacher_stemnet, dim: 95}
  losses: {reg: 1, KT: -1, SH: {weight: 1, form: oficial}}
  input_size: [48, 64]
  data: {root: x, synthetic: {train: 1, val: "2"}}
  augmentation: {flip: 2}
  schedule: {epochs: 3, batch_size: 8, milestones: [2, 1], lr: fast}
  evaluation: {flip_test: "yes"}
seeds: [0, 0]
rows:
  - {row: none, set: {losses: {VT: 0}}}
  - {row: none}
profiles:
  one: {base: {schedul: {epochs: 1}}}
  two: 3
"""
    assert _problems(tmp_path, text) == [
        "sweep.yaml:2:1: titel: no such field, did you mean title? valid: sweep, title, table, metric, baseline, base, "
        "factors, seeds, rows, axes, search, evaluate_on, report, profiles",
        "sweep.yaml:4:11: baseline: must be one of the rows, got 'nonne'; did you mean none? valid: none",
        "sweep.yaml:6:40: student.widht: no such option, did you mean width? valid: width, dim, depth, heads, patch, "
        "stem, cycles, split_ratio, beta, debias, d_model, layers, nhead, dim_feedforward, queries, frozen "
        "(row 'none')",
        "sweep.yaml:8:24: losses.KT: must be a finite number of at least 0, got -1 (row 'none')",
        "sweep.yaml:8:50: losses.SH.form: must be one of per_sample, official, got 'oficial'; did you mean official? "
        "valid: per_sample, official (simulated_heatmap.py:20) (row 'none')",
        "sweep.yaml:10:46: data.synthetic.val: must be a whole number, got '2'",
        "sweep.yaml:11:24: augmentation.flip: must be at most 1, got 2",
        "sweep.yaml:12:64: schedule.lr: must be a number, got 'fast'",
        "sweep.yaml:13:27: evaluation.flip_test: must be true or false, got 'yes'",
        "sweep.yaml:17:11: rows.row: must name one row, got 'none' again (first in line 16)",
        "sweep.yaml:19:16: schedul: no such field, did you mean schedule? valid: student, teacher, start, losses, "
        "circulation, input_size, data, augmentation, schedule, precision, evaluation, optimizer, ema, clip_grad_norm, "
        "compile",
        "sweep.yaml:20:8: profiles.two: must be a mapping of fields, got 3",
    ]


def test_fields_that_do_not_go_together_are_shown_once_each_is_right_by_itself(tmp_path: Path) -> None:
    text = SMALL.replace("distilpose_s", "distilpos_s").replace("teacher_stemnet, width: 8, dim: 16", "teacher_stemnet")
    text = text.replace("teacher_stemnet", "teacher_stemnet, dim: 95").replace("[0, 1]", "[0, 0]")
    text = text.replace("epochs: 2,", "epochs: 3, milestones: [2, 1],")
    assert _problems(tmp_path, text) == [
        "sweep.yaml:5:20: student.model: must be a model of ours, timm:NAME, mmpose:CONFIG.py, or FILE.py:NAME of your "
        f"own, got 'distilpos_s'; did you mean distilpose_s? valid: {', '.join([*MODELS][:20])} "
        f"and {len(MODELS) - 20} more (row 'none' and 1 more)",
        "sweep.yaml:6:42: teacher.dim: must be a multiple of 4 and of heads (2), got 95; change dim or heads "
        "(row 'none' and 1 more)",
        "sweep.yaml:11:37: schedule.milestones: must be in ascending order, got [2, 1] (row 'none' and 1 more)",
        "sweep.yaml:13:8: seeds: must differ, got [0, 0]",
    ]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "teacher: {model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}",
            "teacher: null",
            "7:24: losses.KT: needs a teacher to learn from, got 0.0005 and no teacher; give a teacher or set it to 0 "
            "(row 'KT')",
        ),
        (
            "{model: teacher_stemnet, width: 8, dim: 16,",
            "{model: teacher_stemnet, width: 8, dim: 20,",
            "7:24: losses.KT: needs student and teacher to have tokens of one shape, got dim 16 and 20; change the "
            "sizes of one or set it to 0 (row 'KT')",
        ),
        (
            "model: distilpose_s,",
            "model: distilpose_s, init: teacher_backbone,",
            None,
        ),
        (
            "model: distilpose_s,",
            "model: distilpose_s, init: imagenet,",
            "5:40: student.init: there are ImageNet weights for HRNet and ResNet alone, got 'imagenet' for "
            "distilpose_s; use fresh (row 'none' and 1 more)",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8,",
            "teacher: {model: teacher_stemnet, width: 8, init: teacher_backbone,",
            "6:53: teacher.init: must be one of the valid values, got 'teacher_backbone'; valid: fresh, imagenet",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8,",
            "teacher: {model: teacher_stemnet, cycles: 2, width: 8,",
            "6:45: teacher.cycles: means nothing to teacher_stemnet (only the sdpose models run in cycles), got 2; "
            "leave it out (row 'none' and 1 more)",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8,",
            "teacher: {model: teacher_stemnet, width: 8.0,",
            "6:44: teacher.width: must be a whole number, got 8.0",
        ),
        (
            "{root: data/people}",
            "{}",
            "9:9: data: must have a root or synthetic people, got neither (row 'none' and 1 more)",
        ),
        (
            "epochs: 2,",
            "epochs: 2, milestones: [2],",
            "11:37: schedule.milestones: must come before the last of 2 epochs, got [2]; a milestone that is never "
            "reached changes nothing (row 'none' and 1 more)",
        ),
        (
            "losses: {reg: 1, KT: 5e-4}",
            "losses: {reg: 0, KT: 5e-4}",
            "15:31: losses: at least one weight must be above 0 (row 'none')",
        ),
        ("input_size: [48, 64]", "input_size: [48]", "8:15: input_size[1]: must be given"),
        ("title: A small sweep", "title: ''", "2:8: title: must not be empty, got ''"),
        ("  evaluation: {}\n", "", "5:3: evaluation: must be given"),
        ("title: A small sweep", "title: x\ntitle: y", "3:1: title: must be given once, first given in line 2"),
        ("title: A small sweep", "title: [", "4:5: must be YAML: expected ',' or ']', but got ':'"),
        ("[0, 1]", "[]", "13:8: seeds: must have at least 1 items, got []"),
        (
            "row: none,",
            "row: none, factors: {student: big},",
            "15:27: student: no such factor, there are none",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}",
            "teacher: {mmpose: {config: a.py, chekpoint: b.pth}}",
            "6:36: teacher.mmpose.chekpoint: no such field, did you mean checkpoint? valid: config, checkpoint",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}",
            "teacher: {mmpose: {config: a.py}}",
            "6:21: teacher.mmpose.checkpoint: must be given",
        ),
        (
            "teacher: {model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}",
            "teacher: {mmpose: {config: a.py, checkpoint: b.pth}, seed: 1}",
            "6:56: teacher.seed: no such field, valid: mmpose",
        ),
        (
            "model: distilpose_s, width: 8, dim: 16, depth: 1, heads: 2}\n  teacher: "
            "{model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}",
            "model: distilpose_s, init: teacher_backbone}\n  teacher: {mmpose: {config: a.py, checkpoint: b.pth}}",
            "5:40: student.init: needs a teacher of our models, got 'teacher_backbone' and mmpose's; use fresh "
            "(row 'none' and 1 more)",
        ),
        ("title: A small sweep", "table: matrix\ntitle: x", None),
        ("title: A small sweep", 'title: x\n"[/red]": 1', "3:1: [/red]: no such field, valid: sweep, title"),
        ("title: A small sweep", 'title: x\nfactors: {"[key]": 3}', "3:20: factors.[key]: must be a mapping, got 3"),
        ("paper: {AP: 67.1}", "paper: {AP: 6710}", "16:27: rows[1].paper.AP: must be at most 100, got 6710"),
        ("paper: {AP: 67.1}", 'paper: {"[key]": 6}', "16:32: rows[1].paper.[key]: must be one of the valid values"),
        ("input_size: [48, 64]", "input_size: [48, 6400000]", "8:20: input_size[1]: must be at most 10,000"),
        ("{root: data/people}", "{synthetic: {train: 1, val: 10000000}}", "9:37: data.synthetic.val: must be at most"),
        (
            "model: distilpose_s, width: 8",
            "model: distilpose_s, width: 99999",
            "5:41: student.width: must be at most 4,096, got 99999",
        ),
    ],
)
def test_a_mistake_is_explained(tmp_path: Path, before: str, after: str, problem: str | None) -> None:
    text = _changed(before, after)
    if problem is None:
        if "teacher_backbone" in after:  # both are StemNets of one width: this is fine
            assert _read(tmp_path, text).rows[0].recipe.uses_teacher
        else:
            assert "a matrix needs the same two factors in every row, got none" in _problems(tmp_path, text)[0]
        return
    assert any(said.startswith(f"sweep.yaml:{problem}") for said in _problems(tmp_path, text))


@pytest.mark.parametrize("name", ["../up", "/root", "a/b", ".hidden", "with space", "x.a", "x" * 61])
def test_names_that_become_files_cannot_lead_out_of_their_folder(tmp_path: Path, name: str) -> None:
    rule = "must be letters, digits, and _ - + after the first, 60 at most"
    assert _problems(tmp_path, _changed("sweep: small", f'sweep: "{name}"')) == [
        f"sweep.yaml:1:8: sweep: {rule}, got {name!r}"
    ]
    (problem,) = _problems(tmp_path, SMALL + f'profiles:\n  "{name}": {{}}\n')
    assert rule in problem


def test_names_that_become_files_are_not_too_long_for_them(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, _changed("sweep: small", f"sweep: {'s' * 300}"))
    assert problem.startswith(
        "sweep.yaml:1:8: sweep: must be letters, digits, and _ - + after the first, 60 at most, got 'sss"
    )
    assert len(problem) < 250


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "cycles: 2",
            "cycles: 1",
            "6:33: circulation.KT: compares a cycle with the next, got 5e-06 and one cycle; choose an sdpose model "
            "with more cycles or set it to 0 (row 'tokens' and 1 more)",
        ),
        (
            "sdpose_t, cycles: 2",
            "distilpose_s",
            "5:20: student.model: must be a heatmap model with tokens, to learn by circulation, got 'distilpose_s', a "
            "student; did you mean tokenpose_s? valid: teacher_tokenpose_l",
        ),
        (
            "circulation: {heatmap: 1, KT: 5e-6",
            "losses: {reg: 1, KT: 0",
            "6:17: losses.reg: asks for keypoints, which sdpose_t, a heatmap model, does not give; it gives heatmaps",
        ),
        (
            "  circulation: {heatmap: 1, KT: 5e-6",
            "  losses: {heatmap: 1}\n  circulation: {heatmap: 2, KT: 5e-6",
            "7:26: circulation.heatmap: counts where there are no losses, got 2; leave it out",
        ),
        (
            "  circulation: {heatmap: 1, KT: 5e-6",
            "  losses: {heatmap: 1, KT: 1}\n  circulation: {KT: 5e-6",
            "6:28: losses.KT: is a term of circulation here, got both; set one to 0",
        ),
        (
            "  circulation: {heatmap: 1, KT: 5e-6, VT: 5e-6}\n",
            "",
            "5:3: losses: must have losses, or circulation of a heatmap model, got neither",
        ),
        ("heatmap: 1", "heatmap: 0", "6:26: circulation.heatmap: must be greater than 0, got 0"),
        ("heatmap: 1", "reg: 1", "6:17: circulation.reg: no such field, valid: heatmap, KT, VT, stop_gradient"),
        ("VT: 5e-6}", "stop_gradient: 1}", "6:54: circulation.stop_gradient: must be true or false, got 1"),
        ("sdpose_t, cycles: 2", "tokenpose_s, cycles: 2", "5:41: student.cycles: means nothing to tokenpose_s"),
    ],
)
def test_a_mistake_in_circulation_is_explained(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert CIRCLING.count(before) == 1
    said = _problems(tmp_path, CIRCLING.replace(before, after))
    assert said[0].startswith(f"sweep.yaml:{problem}")


def test_a_heatmap_student_learns_from_heatmaps_and_its_teacher(tmp_path: Path) -> None:
    text = SMALL.replace("model: distilpose_s", "model: sdpose_t").replace("reg: 1", "heatmap: 1")
    row = _read(tmp_path, text).rows[1]
    assert [use.name for use in row.recipe.losses] == ["heatmap", "KT"]


def test_a_heatmap_model_learns_by_itself(tmp_path: Path) -> None:
    alone, tokens, stopped = (row.recipe for row in _read(tmp_path, CIRCLING).rows)
    assert (alone.losses, alone.teacher, alone.uses_teacher) == (None, None, False)
    assert [recipe.ticks for recipe in (alone, tokens)] == [{"KT": False, "VT": False}, {"KT": True, "VT": True}]
    assert [recipe.circulation.stop_gradient for recipe in (tokens, stopped)] == [False, True]
    run = tokens.student_run(3)
    assert (run.role, run.losses, run.circulation, run.model.get("cycles")) == ("student", None, tokens.circulation, 2)


def test_a_number_with_an_exponent_is_a_number(tmp_path: Path) -> None:
    assert _read(tmp_path, _changed("epochs: 2,", "epochs: 2, lr: 1e-3,")).rows[0].recipe.schedule.lr == 1e-3


def test_all_profiles_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.sweep.expand.MAX_RUNS", 10)
    text = SMALL.replace("[0, 1]", "[0, 1, 2]") + "profiles: {a: {}, b: {seeds: [2, 3]}, c: {seeds: [7]}}\n"
    assert _problems(tmp_path, text) == [
        "sweep.yaml:1:1: must make at most 10 runs (rows x points of the axes x seeds), got 12"
    ]


def test_a_profile_is_merged_over_the_base_mapping_by_mapping(tmp_path: Path) -> None:
    text = SMALL + "profiles: {a: {}, b: {seeds: [7], base: {schedule: {epochs: 9}}}}\n"
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    profiles = read_sweep(file).profiles
    assert (profiles["a"].seeds, profiles["a"].rows[0].recipe.schedule.epochs) == ((0, 1), 2)
    changed = profiles["b"].rows[0].recipe.schedule
    assert (profiles["b"].seeds, changed.epochs, changed.batch_size) == ((7,), 9, 4)


def test_naming_another_model_drops_the_sizes_of_the_first(tmp_path: Path) -> None:
    text = SMALL.replace("row: KT,", "row: KT, set: {losses: {KT: 0}, student: {model: base_stemnet}},")
    student = _read(tmp_path, text).rows[1].recipe.student
    assert (student.model, student.get("width")) == ("base_stemnet", None)
    text = SMALL.replace("row: KT,", "row: KT, set: {student: {model: distilpose_s, depth: 2}},")
    student = _read(tmp_path, text).rows[1].recipe.student
    assert (student.get("depth"), student.get("width")) == (2, 8)


def test_a_factor_called_model_is_merged_level_by_level(tmp_path: Path) -> None:
    text = SMALL.replace("rows:\n  - {row: none,", "rows:\n  - {row: none, factors: {model: big},")
    text += """\
factors: {model: {big: {student: {depth: 4}}, small: {student: {depth: 1}}}}
profiles: {tiny: {factors: {model: {big: {student: {dim: 24}}}}}}
"""
    student = _read(tmp_path, text).rows[0].recipe.student
    assert (student.get("depth"), student.get("dim")) == (4, 24)


def test_a_given_teacher_replaces_a_trained_one_and_the_other_way(tmp_path: Path) -> None:
    given = "{mmpose: {config: a.py, checkpoint: b.pth}}"
    text = SMALL + f"  - {{row: given, set: {{teacher: {given}, losses: {{KT: 0, SH: 1}}}}}}\n"
    recipe = _read(tmp_path, text).rows[-1].recipe
    assert recipe.given_teacher == MMPoseChoice(config="a.py", checkpoint="b.pth")
    assert recipe.trained_teacher is None
    trained = "{model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}"
    back = _changed(trained, given).replace("KT: 5e-4", "SH: 1").replace("KT: 0", "SH: 0")
    back += "  - {row: back, set: {teacher: {model: teacher_stemnet}}}\n"
    recipe = _read(tmp_path, back).rows[-1].recipe
    assert recipe.given_teacher is None
    assert recipe.trained_teacher is not None
    assert recipe.trained_teacher.schedule.epochs == 2


def test_synthetic_people_replace_a_folder(tmp_path: Path) -> None:
    text = SMALL.replace("row: KT,", "row: KT, set: {data: {synthetic: {train: 5, val: 2}}},")
    data = _read(tmp_path, text).rows[1].recipe.data
    assert data.root is None
    assert data.synthetic is not None


def test_a_teacher_takes_from_its_row_what_it_does_not_say(tmp_path: Path) -> None:
    text = _changed("depth: 1, heads: 2}\n  losses", "depth: 1, heads: 2, schedule: {epochs: 5}}\n  losses")
    teacher = _read(tmp_path, text).rows[1].recipe.teacher
    assert teacher is not None
    assert (teacher.schedule.epochs, teacher.schedule.batch_size) == (5, 4)


def test_an_unknown_profile_or_sweep_names_the_nearest(tmp_path: Path) -> None:
    file = read_sweep(SWEEPS / "losses.yaml")
    with pytest.raises(ValueError, match=r"no such profile, got 'tinny'; did you mean tiny\?"):
        file.profile("tinny")
    with pytest.raises(ValueError, match=r"got 'loses'; did you mean losses\?"):
        find_sweep("loses")
    with pytest.raises(ValueError, match=r"\(5,002 characters\); valid: ") as caught:
        find_sweep("n" * 5000)
    assert len(str(caught.value)) < 400
    assert find_sweep("losses").samefile(find_sweep("sweeps/losses.yaml"))


@pytest.mark.parametrize("file", sorted(SWEEPS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_shipped_sweep_is_valid_in_every_profile_and_opens_with_its_command(file: Path) -> None:
    sweep = read_sweep(file)
    assert {"tiny", "paper"} <= set(sweep.profiles)
    comment = file.read_text().partition("\n\n")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert f"distilpose report {file.stem}" in comment
    assert "hours" in comment
    assert "Expected" in comment


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{flip: 0.5}", "{scale: 5}", "10:25: augmentation.scale: must be less than 1, got 5"),
        ("{flip: 0.5}", "{scale: 1}", "10:25: augmentation.scale: must be less than 1, got 1"),
        ("{flip: 0.5}", "{rotation: 181}", "10:28: augmentation.rotation: must be at most 180, got 181"),
        ("{flip: 0.5}", "{shift: 1}", "10:25: augmentation.shift: must be less than 1, got 1"),
        ("{flip: 0.5}", "{shift_p: 1.5}", "10:27: augmentation.shift_p: must be at most 1, got 1.5"),
        ("{flip: 0.5}", "{flip: true}", "10:24: augmentation.flip: must be a number, got true"),
        ("{flip: 0.5}", "{rotation: .inf}", "10:28: augmentation.rotation: must be a finite number, got inf"),
        (
            "{flip: 0.5}",
            "{shift_draw: one}",
            "10:30: augmentation.shift_draw: must be one of the valid values, got 'one'; did you mean once? "
            "valid: once, sample",
        ),
        (
            "{flip: 0.5}",
            "{shfit: 0}",
            "10:18: augmentation.shfit: no such field, did you mean shift? valid: flip, half_body, half_body_joints, "
            "scale, rotation, rotation_p, shift, shift_p, shift_draw",
        ),
        (
            "evaluation: {}",
            "evaluation: {}\n  optimizer: {name: adamx}",
            "13:21: optimizer.name: must be one of the valid values, got 'adamx'; did you mean adam?",
        ),
        (
            "evaluation: {}",
            "evaluation: {}\n  optimizer: {name: adamw, momentum: 0.9}",
            "13:28: optimizer.momentum: no such field, valid: name, betas, eps, weight_decay, amsgrad",
        ),
        (
            "evaluation: {}",
            "evaluation: {}\n  optimizer: {weight_decay: -1}",
            "13:29: optimizer.weight_decay: must be at least 0, got -1",
        ),
        (
            "evaluation: {}",
            "evaluation: {}\n  optimizer: {name: sgd, nesterov: true}",
            "13:36: optimizer.nesterov: must have a momentum above 0 to look ahead by, got 0",
        ),
        ("evaluation: {}", "evaluation: {}\n  optimizer: adamw", "13:14: optimizer: must be a mapping of fields"),
        ("evaluation: {}", "evaluation: {}\n  ema: 1", "13:8: ema: must be less than 1, got 1"),
        ("evaluation: {}", "evaluation: {}\n  clip_grad_norm: 0", "13:19: clip_grad_norm: must be greater than 0"),
        ("batch_size: 4}", "batch_size: 4, decay: cos}", "decay: must be one of the valid values, got 'cos'"),
        (
            "batch_size: 4}",
            "batch_size: 4, floor: 0.1}",
            "11:47: schedule.floor: belongs to a cosine or linear decay, got 0.1 and decay milestones",
        ),
        ("batch_size: 4}", "batch_size: 4, warmup_ratio: 2}", "schedule.warmup_ratio: must be at most 1, got 2"),
        (
            "batch_size: 4}",
            "batch_size: 4, cards: 3}",
            "schedule.cards: must divide the batch, so that each card has equally many people, got 3 for a batch of 4",
        ),
    ],
)
def test_a_setting_that_would_fail_every_run_is_refused_with_its_place(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    found = _problems(tmp_path, _changed(before, after))
    assert any(problem in one for one in found), found


def test_a_model_without_a_backbone_has_no_rate_for_one(tmp_path: Path) -> None:
    text = _changed("batch_size: 4}", "batch_size: 4, backbone_lr_mult: 0.1}")
    found = _problems(tmp_path, text.replace("distilpose_s, width: 8", "tokenpose_t, head: regression"))
    problem = (
        "schedule.backbone_lr_mult: needs a model with a backbone and a head, got 0.1 for tokenpose_t; leave it out"
    )
    assert any(problem in one for one in found), found


def test_the_loss_ablation_is_the_published_one() -> None:
    sweep = read_sweep(SWEEPS / "losses.yaml").profile("paper")
    assert {row.name: row.paper["AP"] for row in sweep.rows if row.paper} == {
        "none": 56.0,
        "CS": 63.2,
        "SH": 56.4,
        "CS+SH": 64.1,
        "KT": 67.1,
        "VT": 61.7,
        "KT+VT": 67.5,
        "all": 71.6,
    }
    for row in sweep.rows:
        named = {"none": [], "none, batch 256": [], "all": ["CS", "SH", "KT", "VT"]}.get(row.name, row.name.split("+"))
        assert [name for name, used in row.recipe.losses.ticks.items() if used] == named
    everything = sweep.rows[-1].recipe
    weights = {use.name: use.weight for use in everything.losses}
    assert weights == {"reg": 1.0, "CS": 1e-2, "SH": 1.0, "KT": 5e-4, "VT": 5e-4}
    assert everything.teacher is not None
    assert everything.teacher.schedule.batch_size == 512
    turned = everything.teacher.augmentation
    assert (turned.rotation, turned.scale, turned.rotation_p) == (40.0, 0.5, 0.6)
    assert everything.teacher.init == "imagenet"


def test_the_matrix_has_every_student_with_every_teacher_and_the_papers_numbers() -> None:
    sweep = read_sweep(SWEEPS / "teacher_student.yaml").profile("paper")
    found = {(row.factors["student"], row.factors["teacher"]): row.paper["AP"] for row in sweep.rows if row.paper}
    assert found == {
        ("stemnet", "none"): 56.0,
        ("stemnet", "stemnet"): 63.6,
        ("stemnet", "HRNet-W48"): 71.6,
        ("HRNet-W48-stage3", "none"): 63.0,
        ("HRNet-W48-stage3", "stemnet"): 66.8,
        ("HRNet-W48-stage3", "HRNet-W48"): 74.4,
    }
    assert [row.recipe.student.init for row in sweep.rows][-1] == "teacher_backbone"


def test_a_row_may_be_measured_against_another_than_the_rest(tmp_path: Path) -> None:
    text = SMALL.replace("- {row: KT,", "- {row: again}\n  - {row: KT, baseline: again,")
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    rows = read_sweep(file).profile().rows
    assert [(row.name, row.baseline) for row in rows] == [("none", "none"), ("again", "none"), ("KT", "again")]
    assert _problems(tmp_path, text.replace("baseline: again", "baseline: agian")) == [
        "sweep.yaml:17:25: rows.baseline: must be one of the rows, got 'agian'; did you mean again? "
        "valid: none, again, KT"
    ]


@pytest.mark.parametrize("profile", ["tiny", "paper"])
def test_circulation_has_four_sizes_their_baselines_and_an_ablation(profile: str) -> None:
    rows = {row.name: row for row in read_sweep(SWEEPS / "sdpose.yaml").profile(profile).rows}
    for size in ("T", "S-V1", "S-V2", "B"):
        ours, theirs = rows[f"SDPose-{size}"].recipe, rows[f"TokenPose-{size}"].recipe
        assert (ours.ticks, theirs.ticks) == ({"KT": True, "VT": True}, {"KT": False, "VT": False})
        assert (ours.schedule, ours.augmentation, ours.data) == (theirs.schedule, theirs.augmentation, theirs.data)
        assert ours.circulation is not None
        assert (ours.circulation.heatmap, ours.circulation.KT, ours.circulation.VT) == (1.0, 5e-6, 5e-6)
        assert not ours.circulation.stop_gradient
        assert rows[f"SDPose-{size}"].baseline == f"TokenPose-{size}"
        said = rows[f"SDPose-{size}"].factors["cycles"]
        assert said == str(pinned_options(ours.student)["cycles"])
    ablation = {
        (row.recipe.student.get("cycles") or 3, row.recipe.ticks["KT"], row.recipe.circulation.stop_gradient)
        for row in rows.values()
        if row.recipe.student.model == "sdpose_t"
    }
    assert ablation == {(1, False, False)} | {
        (cycles, *how) for cycles in (2, 3) for how in ((False, False), (True, False), (True, True))
    }
    paper = {name: row.paper["AP"] for name, row in rows.items() if row.paper}
    assert paper.pop("TokenPose-S-V1") == 72.5  # DistilPose, table of comparisons
    assert paper == {"SDPose-T": 69.7, "SDPose-S-V1": 72.3, "SDPose-S-V2": 73.5, "SDPose-B": 73.7}


def test_the_documented_example_is_a_sweep(tmp_path: Path) -> None:
    page = (SWEEPS.parent / "docs" / "sweeps.md").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    sweep = read_sweep(file).profile("large")
    assert [row.name for row in sweep.rows] == ["none", "all"]
    assert sweep.rows[1].recipe.schedule.epochs == 100


@pytest.mark.parametrize("field", ["rows", "axes", "factors", "search", "profiles"])
def test_null_is_as_good_as_leaving_out(tmp_path: Path, field: str) -> None:
    text = SMALL.partition("seeds:")[0].replace("baseline: none\n", "") + f"{field}: null\n"
    assert [row.name for row in _read(tmp_path, text).rows] == ["base"]


def test_the_documented_limits_are_those_that_hold() -> None:
    page = (SWEEPS.parent / "docs" / "sweeps.md").read_text()
    for limits in (
        f"over all profiles | {MAX_RUNS:,} |",
        f"trials of a search | {MAX_GRID:,} |",
        f"levels of nesting; bytes | {MAX_VALUES:,}; {MAX_DEPTH}; {MAX_BYTES:,} |",
    ):
        assert limits in page


def test_joints_given_in_place_of_the_files_are_whole_in_the_recipe_and_faults_have_their_place(tmp_path: Path) -> None:
    def read(data: str) -> Recipe:
        (tmp_path / "s.yaml").write_text(SMALL.replace("{root: data/people}", data))
        return read_sweep(tmp_path / "s.yaml", source="s.yaml").profile().rows[0].recipe

    recipe = read("{root: data/people, skeleton: crowdpose, sigmas: 0.05}")
    assert recipe.data.skeleton == find_skeleton("crowdpose")
    assert recipe.data.given is not None
    assert recipe.data.given["keypoint_sigmas"] == 0.05
    run = recipe.student_run(0)
    assert run_recipe_from_json(json.loads(json.dumps(to_json(run)))) == run
    assert read("{root: data/people}").data.given is None
    with pytest.raises(SpecError) as caught:
        read("{root: data/people, skeleton: cocoa, sigmas: -1}")
    first, second = str(caught.value).splitlines()
    assert first.startswith("s.yaml:9:39: data.skeleton: must be a YAML file or a skeleton of the library, got 'cocoa'")
    assert second == "s.yaml:9:54: data.sigmas: must be a number above 0, or a list of these, one a joint, got -1"
    with pytest.raises(SpecError, match="skeleton: must be a skeleton of the library, or a YAML file, got 5"):
        read("{root: data/people, skeleton: 5}")
    with pytest.raises(SpecError, match="synthetic people have joints and sigmas of their own"):
        read("{synthetic: {train: 4, val: 2}, sigmas: 0.1}")


def test_sets_to_measure_on_are_read_with_their_joints_and_change_no_row(tmp_path: Path) -> None:
    sets = "evaluate_on: {crowd: {root: data/crowd, skeleton: crowdpose}, other: {root: data/b, split: test}}\nbase:\n"
    sweep = _read(tmp_path, _changed("base:\n", sets))
    assert sweep.evaluate_on["crowd"].skeleton == find_skeleton("crowdpose")
    assert (sweep.evaluate_on["other"].split, sweep.evaluate_on["other"].data.val) == ("test", "test")
    assert sweep.rows == _read(tmp_path, SMALL).rows
    assert _read(tmp_path, SMALL).evaluate_on == {}
    wrong = "evaluate_on: {crowd: {rot: a}, two: {root: b, skeleton: cocoa}}\nbase:\n"
    problems = _problems(tmp_path, _changed("base:\n", wrong))
    assert [problem.partition(", got")[0] for problem in problems] == [
        "sweep.yaml:4:22: evaluate_on.crowd.root: must be given",
        "sweep.yaml:4:23: evaluate_on.crowd.rot: no such field, there are none",
        "sweep.yaml:4:57: evaluate_on.two.skeleton: must be a YAML file or a skeleton of the library",
    ]


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (
            "rows: [none, KTT]",
            "14:23: report.rows[1]: must be one of the rows, got 'KTT'; did you mean KT? valid: none, KT",
        ),
        ("best: blod", "14:16: report.best: must be one of the valid values, got 'blod'; did you mean bold? valid: "),
        ("digits: 9", "14:18: report.digits: must be at most 6, got 9"),
        ("label: a b", "14:17: report.label: must be letters, digits and : . _ + -, 100 at most, got 'a b'"),
        ("colums: [AP]", "14:10: report.colums: no such field, did you mean columns? valid: columns, rows, digits, "),
        ("columns: []", "14:19: report.columns: must have at least 1 items, got []"),
    ],
)
def test_mistakes_in_the_choices_of_a_table_have_their_place(tmp_path: Path, report: str, problem: str) -> None:
    (found,) = _problems(tmp_path, _changed("rows:\n", f"report: {{{report}}}\nrows:\n"))
    assert found.startswith(f"sweep.yaml:{problem}")


def test_a_profile_changes_single_choices_of_a_table(tmp_path: Path) -> None:
    text = SMALL + "report: {digits: 2, spread: interval}\nprofiles: {a: {report: {digits: 3}}}\n"
    chosen = _read(tmp_path, text).report
    assert chosen is not None
    assert (chosen.digits, chosen.spread, chosen.best) == (3, "interval", "bold")
