"""Whether a recipe can be trained at all: its fields against each other, its student against its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from distilpose.heads import HEADS
from distilpose.losses.table import LOSSES, STUDENT_ASKS, TEACHER_ASKS
from distilpose.models.specs import MODELS, SIZES, TIMM, ModelSpec, find_spec, resolve_spec
from distilpose.parts.naming import nearest
from distilpose.training.schedule import Schedule
from experiments.sweep.recipe import ModelChoice, Recipe
from experiments.sweep.yaml_nodes import Path_, shown

Fault = tuple[Path_, str]
_TEACHER = frozenset(TEACHER_ASKS)


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
def model_shape_of(choice: ModelChoice, input_size: tuple[int, int]) -> ModelSpec:
    """The numbers of a chosen model. Raises ValueError, naming the field, where it cannot be built."""
    return resolve_spec(choice.model, head=choice.head, input_size=input_size, **choice.chosen)


def pinned_sizes(choice: ModelChoice) -> dict[str, object]:
    """All sizes of a chosen model, the published numbers standing for those that were not chosen."""
    spec = MODELS.get(choice.model)
    published = {} if spec is None else {name: getattr(spec, name) for name in SIZES}
    return {**published, **choice.chosen}


def _data_faults(recipe: Recipe) -> Iterator[Fault]:
    data = recipe.data
    if (data.root is None) == (data.synthetic is None):
        got = "neither" if data.root is None else "both"
        yield ("data",), f"must have a root or synthetic people, got {got}"
    elif data.synthetic is not None and (data.train, data.val) != ("train", "val"):
        yield ("data",), "synthetic people have the splits train and val; leave these fields out"
    elif data.synthetic is not None and data.given:
        yield ("data",), "synthetic people have joints and sigmas of their own; leave skeleton and sigmas out"


def _schedule_faults(path: Path_, schedule: Schedule) -> Iterator[Fault]:
    milestones = schedule.milestones
    if list(milestones) != sorted(set(milestones)):
        yield (*path, "milestones"), f"must be in ascending order, got {shown(milestones)}"
    elif milestones and milestones[-1] >= schedule.epochs:
        rule = f"must come before the last of {schedule.epochs} epochs, got {shown(milestones)}"
        yield (*path, "milestones"), f"{rule}; a milestone that is never reached changes nothing"
    if schedule.batch_size % schedule.cards:
        rule = f"must divide the batch, so that each card has equally many people, got {schedule.cards}"
        yield (*path, "cards"), f"{rule} for a batch of {schedule.batch_size}"


def _loss_faults(recipe: Recipe) -> Iterator[Fault]:
    losses = recipe.losses
    if (losses is None) == (recipe.circulation is None):
        field, got = ("losses", "neither") if losses is None else ("circulation", "both")
        yield (field,), f"must have losses (of a regression student) or circulation (of a heatmap model), got {got}"
    if losses is not None and not losses.uses:
        yield ("losses",), "at least one weight must be above 0"
    if recipe.teacher is None:
        for use in losses or ():
            if not _TEACHER.isdisjoint(use.asks):
                rule = f"needs a teacher to learn from, got {use.weight!r} and no teacher"
                yield ("losses", use.name), f"{rule}; give a teacher or set it to 0"
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
    if trained is not None and trained.cycles is not None:
        yield (
            ("teacher", "cycles"),
            f"means nothing: a teacher teaches by its first, got {trained.cycles}; leave it out",
        )
    chosen = {"student": recipe.student} | ({"teacher": trained.choice} if trained else {})
    for role, choice in chosen.items():
        circulating = role == "student" and recipe.circulation is not None
        faults, shape = _shape(role, choice, _models_for(role, circulating=circulating), recipe.input_size)
        yield from faults
        if shape is not None:
            shapes[role] = shape
    if "student" in shapes and recipe.circulation is None:
        yield from _asking_faults(recipe, shapes["student"])
    if len(shapes) < 2 or trained is None:
        return
    student, teacher = shapes["student"], shapes["teacher"]
    for use in recipe.losses or ():
        if use.own is not None or not LOSSES[use.name].equal_tokens:
            continue
        for what, ours, theirs in (
            ("dim", student.dim, teacher.dim),
            ("visual tokens", student.visual_tokens, teacher.visual_tokens),
        ):
            if ours != theirs or not ours:
                rule = f"needs student and teacher to have tokens of one shape, got {what} {ours} and {theirs}"
                yield ("losses", use.name), f"{rule}; change the sizes of one or set it to 0"
    if recipe.student.init == "teacher_backbone":
        yield from _backbone_faults(recipe.student, trained.choice)


def _asking_faults(recipe: Recipe, spec: ModelSpec) -> Iterator[Fault]:
    """The losses that ask the student for what a model of its kind does not give."""
    gives = [*HEADS[spec.head].gives, *(["true_heatmaps"] if HEADS[spec.head].teaches else [])]
    if spec.has_tokens:
        gives += ["keypoint_tokens", "visual_tokens"]
    for use in recipe.losses or ():
        for ask in use.asks:
            if ask in (*STUDENT_ASKS, "true_heatmaps") and ask not in gives:
                rule = f"asks for {ask}, which {spec.name}, a {spec.head} model, does not give"
                yield ("losses", use.name), f"{rule}; it gives {', '.join(gives)}"
                break


@cache
def _models_for(role: str, *, circulating: bool) -> tuple[str, list[str]]:
    """What a model in this role must be, in words, and which are."""
    if circulating:
        valid = [name for name, spec in MODELS.items() if spec.role == "teacher" and spec.has_tokens]
        return "a heatmap model with tokens, to learn by circulation", valid
    if role == "student":
        return "a model of ours or timm:NAME", list(MODELS)
    return "a teacher's model", [name for name, spec in MODELS.items() if spec.role == role]


def _shape(
    role: str, choice: ModelChoice, wanted: tuple[str, list[str]], input_size: tuple[int, int]
) -> tuple[list[Fault], ModelSpec | None]:
    what, valid = wanted
    is_timm = choice.model.startswith(TIMM)
    if is_timm and (fault := _timm_fault(choice.model.removeprefix(TIMM))):
        return [((role, "model"), fault)], None
    if is_timm and what.startswith("a teacher") and choice.head != "heatmap":
        return [((role, "head"), f"must be heatmap, for a teacher gives heatmaps, got {choice.head!r}")], None
    if choice.model not in valid and not is_timm:
        known = f"a {MODELS[choice.model].role}" if choice.model in MODELS else "no known model"
        rule = f"must be {what}, got {choice.model!r}, {known}; {nearest(choice.model, valid)}"
        return [((role, "model"), rule)], None
    if choice.init == "imagenet" and find_spec(choice.model).backbone not in ("hrnet", "resnet50"):
        rule = f"there are ImageNet weights for HRNet and ResNet-50 alone, got 'imagenet' for {choice.model}"
        return [((role, "init"), f"{rule}; use fresh")], None
    try:
        return [], model_shape_of(choice, input_size)
    except ValueError as error:
        field, _, rule = str(error).partition(": ")
        return [(("input_size",) if field == "input_size" else (role, field), rule)], None


def _timm_fault(name: str) -> str | None:
    from distilpose.models.timm_backbone import timm_fault

    return timm_fault(name)


def _backbone_faults(student: ModelChoice, teacher: ModelChoice) -> Iterator[Fault]:
    kinds = [find_spec(choice.model).backbone for choice in (student, teacher)]
    if kinds[0] != kinds[1]:
        yield ("student", "init"), f"needs one kind of backbone, got {kinds[0]} and its teacher's {kinds[1]}; use fresh"
        return
    for size in ("width", "stem"):
        ours, theirs = (pinned_sizes(choice)[size] for choice in (student, teacher))
        if ours != theirs:
            yield ("student", size), f"must be the teacher's {theirs} to start from its backbone, got {ours}"
