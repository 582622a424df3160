"""Whether a recipe can be trained at all: its fields against each other, its student against its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from distilpose.models.specs import MODELS, ModelShape, model_shape
from experiments.recipe import ModelChoice, Recipe, ScheduleChoice
from experiments.source import Path_, shown
from experiments.typed import nearest

Fault = tuple[Path_, str]


def recipe_faults(recipe: Recipe) -> Iterator[Fault]:
    """Every reason why a well-formed recipe makes no sense: the field's path, and the rule with the value got."""
    yield from _data_faults(recipe)
    yield from _schedule_faults(("schedule",), recipe.schedule)
    if recipe.trained_teacher is not None:
        yield from _schedule_faults(("teacher", "schedule"), recipe.trained_teacher.schedule)
    yield from _loss_faults(recipe)
    yield from _circulation_faults(recipe)
    yield from _model_faults(recipe)


@cache
def model_shape_of(choice: ModelChoice, input_size: tuple[int, int]) -> ModelShape:
    """What a chosen model looks like from outside. Raises ValueError, naming the field, where it cannot be built."""
    return model_shape(choice.model, input_size=input_size, **choice.sizes)


def pinned_sizes(choice: ModelChoice) -> dict[str, object]:
    """All sizes of a chosen model, the published numbers standing for those that were not chosen."""
    spec = MODELS.get(choice.model)
    published = {} if spec is None else {name: getattr(spec, name) for name in ("width", "dim", "depth", "heads")}
    if spec is not None:
        published |= {"patch": spec.patch, "stem": spec.stem, "cycles": spec.cycles}
    return {**published, **choice.sizes}


def _data_faults(recipe: Recipe) -> Iterator[Fault]:
    data = recipe.data
    if (data.root is None) == (data.synthetic is None):
        got = "neither" if data.root is None else "both"
        yield ("data",), f"must have a root or synthetic people, got {got}"
    elif data.synthetic is not None and (data.train, data.val) != ("train", "val"):
        yield ("data",), "synthetic people have the splits train and val; leave these fields out"


def _schedule_faults(path: Path_, schedule: ScheduleChoice) -> Iterator[Fault]:
    milestones = schedule.milestones
    if list(milestones) != sorted(set(milestones)):
        yield (*path, "milestones"), f"must be in ascending order, got {shown(milestones)}"
    elif milestones and milestones[-1] >= schedule.epochs:
        rule = f"must come before the last of {schedule.epochs} epochs, got {shown(milestones)}"
        yield (*path, "milestones"), f"{rule}; a milestone that is never reached changes nothing"


def _loss_faults(recipe: Recipe) -> Iterator[Fault]:
    losses = recipe.losses
    if (losses is None) == (recipe.circulation is None):
        field, got = ("losses", "neither") if losses is None else ("circulation", "both")
        yield (field,), f"must have losses (of a regression student) or circulation (of a heatmap model), got {got}"
    if losses is not None and losses.reg == 0 and not losses.needs_teacher:
        yield ("losses",), "at least one weight must be above 0"
    if recipe.teacher is None:
        for name, used in {} if losses is None else losses.ticks.items():
            if used:
                rule = f"needs a teacher to learn from, got {getattr(losses, name)!r} and no teacher"
                yield ("losses", name), f"{rule}; give a teacher or set it to 0"
        if recipe.student.init == "teacher_backbone":
            yield ("student", "init"), "needs a teacher to start from, got 'teacher_backbone' and no teacher"
    elif recipe.given_teacher is not None and recipe.student.init == "teacher_backbone":
        yield ("student", "init"), "needs a teacher of our models, got 'teacher_backbone' and mmpose's; use fresh"


def _circulation_faults(recipe: Recipe) -> Iterator[Fault]:
    if recipe.circulation is None or recipe.student.model not in _models_for("student", circulating=True)[1]:
        return
    if pinned_sizes(recipe.student)["cycles"] == 1:
        for name, used in recipe.circulation.ticks.items():
            if used:
                rule = f"compares a cycle with the next, got {getattr(recipe.circulation, name)!r} and one cycle"
                yield ("circulation", name), f"{rule}; choose an sdpose model with more cycles or set it to 0"


def _model_faults(recipe: Recipe) -> Iterator[Fault]:
    shapes = {}
    trained = recipe.trained_teacher
    chosen = {"student": recipe.student} | ({"teacher": trained.choice} if trained else {})
    for role, choice in chosen.items():
        circulating = role == "student" and recipe.circulation is not None
        faults, shape = _shape(role, choice, _models_for(role, circulating=circulating), recipe.input_size)
        yield from faults
        if shape is not None:
            shapes[role] = shape
    if len(shapes) < 2 or trained is None:
        return
    student, teacher = shapes["student"], shapes["teacher"]
    for name in ("KT", "VT"):
        if recipe.losses is None or getattr(recipe.losses, name) == 0:
            continue
        for what, ours, theirs in (
            ("dim", student.dim, teacher.dim),
            ("visual tokens", student.visual_tokens, teacher.visual_tokens),
        ):
            if ours != theirs or not ours:
                rule = f"needs student and teacher to have tokens of one shape, got {what} {ours} and {theirs}"
                yield ("losses", name), f"{rule}; change the sizes of one or set it to 0"
    if recipe.student.init == "teacher_backbone":
        yield from _backbone_faults(recipe.student, trained.choice)


@cache
def _models_for(role: str, *, circulating: bool) -> tuple[str, list[str]]:
    """What a model in this role must be, in words, and which are: losses train coordinates, circulation heatmaps."""
    if circulating:
        valid = [name for name, spec in MODELS.items() if spec.role == "teacher" and spec.has_tokens]
        return "a heatmap model with tokens, to learn by circulation", valid
    return f"a {role}'s model", [name for name, spec in MODELS.items() if spec.role == role]


def _shape(
    role: str, choice: ModelChoice, wanted: tuple[str, list[str]], input_size: tuple[int, int]
) -> tuple[list[Fault], ModelShape | None]:
    what, valid = wanted
    if choice.model not in valid:
        known = f"a {MODELS[choice.model].role}" if choice.model in MODELS else "no known model"
        rule = f"must be {what}, got {choice.model!r}, {known}; {nearest(choice.model, valid)}"
        if role == "student" and choice.model in MODELS and MODELS[choice.model].role == "teacher":
            rule = f"{rule}; to train a heatmap model by itself, give circulation in place of losses"
        return [((role, "model"), rule)], None
    if choice.init == "imagenet" and MODELS[choice.model].backbone not in ("hrnet", "resnet50"):
        rule = f"there are ImageNet weights for HRNet and ResNet-50 alone, got 'imagenet' for {choice.model}"
        return [((role, "init"), f"{rule}; use fresh")], None
    try:
        return [], model_shape_of(choice, input_size)
    except ValueError as error:
        field, _, rule = str(error).partition(": ")
        return [(("input_size",) if field == "input_size" else (role, field), rule)], None


def _backbone_faults(student: ModelChoice, teacher: ModelChoice) -> Iterator[Fault]:
    kinds = [MODELS[choice.model].backbone for choice in (student, teacher)]
    if kinds[0] != kinds[1]:
        yield ("student", "init"), f"needs one kind of backbone, got {kinds[0]} and its teacher's {kinds[1]}; use fresh"
        return
    for size in ("width", "stem"):
        ours, theirs = (pinned_sizes(choice)[size] for choice in (student, teacher))
        if ours != theirs:
            yield ("student", size), f"must be the teacher's {theirs} to start from its backbone, got {ours}"
