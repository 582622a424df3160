"""Whether a recipe can be trained at all: its fields against each other, its student against its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from distilpose.evaluation.metrics import PEOPLE_ASKS
from distilpose.losses.table import LOSSES, STUDENT_ASKS, TEACHER_ASKS
from distilpose.losses.use import Losses, LossUse
from distilpose.models.published import MODELS
from distilpose.models.spec import RESNETS, SIZES, TIMM, ModelSpec
from distilpose.parts.naming import nearest
from distilpose.training.schedule import Schedule
from experiments.sweep.choices import OF_TEACHER, ModelChoice
from experiments.sweep.recipe import Recipe
from experiments.sweep.yaml_nodes import Path_, shown

Fault = tuple[Path_, str]
_TEACHER = frozenset(TEACHER_ASKS)


def recipe_faults(recipe: Recipe) -> Iterator[Fault]:
    """Every reason why a well-formed recipe makes no sense: the field's path, and the rule with the value got."""
    yield from _data_faults(recipe)
    yield from _schedule_faults(("schedule",), recipe.schedule, recipe.student)
    if (teacher := recipe.trained_teacher) is not None:
        yield from _schedule_faults(("teacher", "schedule"), teacher.schedule, teacher.choice)
    if recipe.evaluation.boxes != "gt" and not set(PEOPLE_ASKS).isdisjoint(recipe.evaluation.best_by.asks):
        rule = f"needs the annotated boxes, got {recipe.evaluation.best_by.name} and boxes {recipe.evaluation.boxes}"
        yield ("evaluation", "best_by"), f"{rule}; choose AP or boxes: gt"
    yield from _loss_faults(recipe)
    yield from _model_faults(recipe)


def other_row_faults(recipe: Recipe, field: str, other: Recipe) -> Iterator[Fault]:
    """Every reason why a row, that makes sense itself, cannot teach this one, or be its start."""
    if recipe.input_size != other.input_size:
        got = "{}x{} and {}x{}".format(*recipe.input_size, *other.input_size)
        yield (field, "row"), f"must see crops of the row's own size, got {got}"
        return
    if field == "start":
        if recipe.student.init != "fresh":
            yield ("student", "init"), f"must be fresh where a row is the start, got {recipe.student.init}"
        yield from _start_faults(recipe.student, other.student, "start", trunk=True)
        return
    teacher = other
    student, shape = (model_shape_of(one.student, one.input_size) for one in (recipe, teacher))
    yield from _pair_faults(recipe, student, shape, teacher.student)


@cache
def model_shape_of(choice: ModelChoice, input_size: tuple[int, int]) -> ModelSpec:
    """The numbers of a chosen model. Raises ValueError, naming the field, where it cannot be built."""
    return choice.spec(input_size=input_size)


def pinned_options(choice: ModelChoice) -> dict[str, object]:
    """The options of a chosen model: of ours all sizes, the published numbers standing for those not chosen."""
    spec = MODELS.get(choice.model)
    published = {} if spec is None else {name: getattr(spec, name) for name in SIZES}
    return {**published, **dict(choice.options)}


def _data_faults(recipe: Recipe) -> Iterator[Fault]:
    data = recipe.data
    if (data.root is None) == (data.synthetic is None):
        got = "neither" if data.root is None else "both"
        yield ("data",), f"must have a root or synthetic people, got {got}"
    elif data.synthetic is not None and (data.train, data.val) != ("train", "val"):
        yield ("data",), "synthetic people have the splits train and val; leave these fields out"
    elif data.synthetic is not None and data.given:
        yield ("data",), "synthetic people have joints and sigmas of their own; leave skeleton and sigmas out"
    elif data.synthetic is not None and data.test is not None:
        yield ("data", "test"), "synthetic people have the splits train and val alone; leave it out"
    elif data.test in (data.train, data.val):
        yield ("data", "test"), f"must be another split than train and val, got {shown(data.test)}"


def _schedule_faults(path: Path_, schedule: Schedule, choice: ModelChoice) -> Iterator[Fault]:
    milestones = schedule.milestones if schedule.decay == "milestones" else ()
    if list(milestones) != sorted(set(milestones)):
        yield (*path, "milestones"), f"must be in ascending order, got {shown(milestones)}"
    elif milestones and milestones[-1] >= schedule.epochs:
        rule = f"must come before the last of {schedule.epochs} epochs, got {shown(milestones)}"
        yield (*path, "milestones"), f"{rule}; a milestone that is never reached changes nothing"
    if schedule.floor and schedule.decay not in ("cosine", "linear"):
        rule = f"belongs to a cosine or linear decay, got {schedule.floor:g} and decay {schedule.decay}"
        yield (*path, "floor"), f"{rule}; leave it out"
    if schedule.backbone_lr_mult != 1 and ((spec := choice.spec()).is_whole or spec.backbone == "image"):
        rule = f"needs a model with a backbone and a head, got {schedule.backbone_lr_mult:g} for {choice.model}"
        yield (*path, "backbone_lr_mult"), f"{rule}; leave it out"
    if schedule.batch_size % schedule.cards:
        rule = f"must divide the batch, so that each card has equally many people, got {schedule.cards}"
        yield (*path, "cards"), f"{rule} for a batch of {schedule.batch_size}"


def _loss_faults(recipe: Recipe) -> Iterator[Fault]:
    losses = recipe.losses
    if losses is None and recipe.circulation is None:
        yield ("losses",), "must have losses, or circulation of a heatmap model, got neither"
    elif losses is not None and recipe.circulation is not None:
        if recipe.circulation.heatmap != 1:
            rule = f"counts where there are no losses, got {recipe.circulation.heatmap:g}"
            yield ("circulation", "heatmap"), f"{rule}; leave it out and give the losses weights"
        for name in recipe.circulation.ticks:
            if losses.get(name) is not None:
                yield ("losses", name), "is a term of circulation here, got both; set one to 0"
    if losses is not None and not losses.uses:
        yield ("losses",), "at least one weight must be above 0"
    if recipe.teacher is None:
        for use in losses or ():
            if not _TEACHER.isdisjoint(use.asks):
                rule = f"needs a teacher to learn from, got {use.weight!r} and no teacher"
                yield ("losses", use.name), f"{rule}; give a teacher or set it to 0"
        if recipe.student.init in OF_TEACHER:
            yield ("student", "init"), f"needs a teacher to start from, got {recipe.student.init!r} and no teacher"
    elif recipe.given_teacher is not None and recipe.student.init in OF_TEACHER:
        yield ("student", "init"), f"needs a teacher of our models, got {recipe.student.init!r} and mmpose's; use fresh"


def _circulation_faults(recipe: Recipe) -> Iterator[Fault]:
    assert recipe.circulation is not None
    for name, used in recipe.circulation.ticks.items():
        if used:
            rule = f"compares a cycle with the next, got {getattr(recipe.circulation, name)!r} and one cycle"
            yield ("circulation", name), f"{rule}; choose an sdpose model with more cycles or set it to 0"


def _model_faults(recipe: Recipe) -> Iterator[Fault]:
    shapes = {}
    trained = recipe.trained_teacher
    if trained is not None and (cycles := trained.get("cycles")) is not None:
        yield ("teacher", "cycles"), f"means nothing: a teacher teaches by its first, got {cycles}; leave it out"
    chosen = {"student": recipe.student} | ({"teacher": trained.choice} if trained else {})
    for role, choice in chosen.items():
        circulating = role == "student" and recipe.circulation is not None
        try:
            shape = model_shape_of(choice, recipe.input_size)
        except ValueError as error:
            field, _, rule = str(error).partition(": ")
            yield ("input_size",) if field == "input_size" else (role, field), rule
            continue
        by_heatmaps = circulating and recipe.losses is None
        taught = role == "teacher" and trained is not None and trained.losses is not None
        faults = [*_role_faults(role, choice, shape, circulating=circulating, by_heatmaps=by_heatmaps, taught=taught)]
        yield from faults
        if not faults:
            shapes[role] = shape
            if circulating and shape.cycles == 1:
                yield from _circulation_faults(recipe)
    for role, choice in chosen.items():
        trunk = choice.init == "teacher_trunk" or (role == "student" and recipe.start is not None)
        if choice.train == "head" and not trunk:
            rule = f"needs a trunk that was trained, start or init: teacher_trunk, got 'head' and {choice.init!r}"
            yield (role, "train"), f"{rule}; leave it out"
    if "student" in shapes:
        yield from _asking_faults(("losses",), recipe.losses, shapes["student"])
    if "teacher" in shapes and trained is not None:
        yield from _asking_faults(("teacher", "losses"), trained.losses, shapes["teacher"])
        for use in trained.losses or ():
            if not _TEACHER.isdisjoint(use.asks):
                rule = f"needs a teacher, and a teacher has none of its own, got {use.weight!r}"
                yield ("teacher", "losses", use.name), f"{rule}; leave it out"
    if len(shapes) < 2 or trained is None:
        return
    yield from _pair_faults(recipe, shapes["student"], shapes["teacher"], trained.choice)


def _pair_faults(recipe: Recipe, student: ModelSpec, teacher: ModelSpec, choice: ModelChoice) -> Iterator[Fault]:
    """Why a student cannot learn from this teacher, or start from it."""
    for use in recipe.losses or ():
        yield from _taught_faults(use, student, teacher)
    if recipe.student.init in OF_TEACHER:
        yield from _start_faults(recipe.student, choice, "teacher", trunk=recipe.student.init == "teacher_trunk")


def _asking_faults(path: Path_, losses: Losses | None, spec: ModelSpec) -> Iterator[Fault]:
    """The losses that ask the model that they train for what its kind does not give."""
    gives = [*spec.answers, *(["true_heatmaps"] if spec.role == "teacher" else [])]
    for use in losses or ():
        for ask in use.asks:
            if ask in (*STUDENT_ASKS, "true_heatmaps") and ask not in gives:
                rule = f"asks for {ask}, which {spec.kind} does not give"
                yield (*path, use.name), f"{rule}; it gives {', '.join(gives)}"
                break


def _taught_faults(use: LossUse, student: ModelSpec, teacher: ModelSpec) -> Iterator[Fault]:
    """Why a loss cannot compare these two: the teacher does not give what it asks for, or tokens have other shapes."""
    both = (student, teacher)  # of others the launch asks the built models
    of_shapes = use.own is None and LOSSES[use.name].equal_tokens
    of_shapes = of_shapes and all(one.has_tokens and not one.is_whole for one in both)
    for what, ours, theirs in (
        ("dim", student.dim, teacher.dim),
        ("visual tokens", student.visual_tokens, teacher.visual_tokens),
    ):
        if of_shapes and (ours != theirs or not ours):
            rule = f"needs student and teacher to have tokens of one shape, got {what} {ours} and {theirs}"
            yield ("losses", use.name), f"{rule}; change the sizes of one or set it to 0"
    for ask in use.asks:
        if (
            not of_shapes
            and ask != "teacher"
            and ask in _TEACHER
            and ask.removeprefix("teacher_") not in teacher.answers
        ):
            rule = f"asks for {ask}, which {teacher.kind} does not give"
            yield ("losses", use.name), f"{rule}; it gives {', '.join(teacher.answers)}"
            return


def _role_faults(
    role: str, choice: ModelChoice, spec: ModelSpec, *, circulating: bool, by_heatmaps: bool, taught: bool
) -> Iterator[Fault]:
    """Why a model cannot have its role in a recipe; one `taught` by losses of its own need not give heatmaps."""
    if choice.model.startswith(TIMM) and (fault := _timm_fault(choice.model.removeprefix(TIMM))):
        yield (role, "model"), fault
        return
    if (by_heatmaps and spec.role == "student") or (circulating and not spec.has_tokens):
        what = f"a {'heatmap ' if by_heatmaps else ''}model with tokens, to learn by circulation"
        roles = ("teacher",) if by_heatmaps else ("teacher", "student")
        valid = [name for name, one in MODELS.items() if one.role in roles and one.has_tokens]
        yield (role, "model"), f"must be {what}, got {choice.model!r}, a {spec.role}; {nearest(choice.model, valid)}"
    elif role == "teacher" and spec.role == "student" and not taught:
        if spec.is_whole or (choice.model in MODELS and MODELS[choice.model].role == "student"):
            valid = [name for name, one in MODELS.items() if one.role == "teacher"]
            hint = f"it gives {', '.join(spec.gives)}" if spec.is_whole else nearest(choice.model, valid)
            yield (role, "model"), f"must be a teacher's model, got {choice.model!r}, a student; {hint}"
        else:
            rule = f"must be heatmap, for a teacher without losses learns heatmaps, got {choice.head!r}"
            yield (role, "head"), f"{rule}; give it losses"
    if choice.init == "imagenet" and spec.backbone not in ("hrnet", *RESNETS):
        rule = f"there are ImageNet weights for HRNet and ResNet alone, got 'imagenet' for {choice.model}"
        yield (role, "init"), f"{rule}; use fresh"


def _timm_fault(name: str) -> str | None:
    from distilpose.models.timm_backbone import timm_fault

    return timm_fault(name)


def _start_faults(student: ModelChoice, other: ModelChoice, whose: str, *, trunk: bool) -> Iterator[Fault]:
    """Why a student cannot begin with the backbone or trunk of its teacher, or of the row that is its start."""
    field, advice = (("start", "row"), "name another") if whose == "start" else (("student", "init"), "use fresh")
    specs = [choice.spec() for choice in (student, other)]
    kinds = [spec.backbone for spec in specs]
    if kinds[0] != kinds[1]:
        yield field, f"needs one kind of backbone, got {kinds[0]} and its {whose}'s {kinds[1]}; {advice}"
        return
    if student.own is not None or student.model.startswith(TIMM):
        if (student.model, student.own) != (other.model, other.own):
            got = f"{student.model!r} and its {whose}'s {other.model!r}"
            yield field, f"needs one kind of backbone, got {got}; {advice}"
        return
    if trunk and any(spec.is_whole for spec in specs):
        yield field, f"needs models with a head, whose trunk is the rest, got {other.model!r}; {advice}"
        return
    for size in ("width", "stem", *(("dim", "depth", "heads", "patch") if trunk else ())):
        ours, theirs = (pinned_options(choice)[size] for choice in (student, other))
        if ours != theirs:
            part = "trunk" if trunk else "backbone"
            rule = f"must be the {whose}'s {shown(theirs)} to start from its {part}, got {shown(ours)}"
            yield ("student", size), rule
