"""What one run is: typed, frozen records. A recipe is a row of a sweep; a run recipe is what one process trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distilpose.losses.use import Losses
from distilpose.parts.own import OwnPart
from distilpose.training.optimizers import ADAM
from experiments.sweep.choices import (
    FORBID,
    OF_TEACHER,
    AugmentationChoice,
    Average,
    CirculationChoice,
    Count,
    DataChoice,
    EvaluationChoice,
    GivenTeacher,
    MMPoseChoice,
    ModelChoice,
    Natural,
    OptimizerChoice,
    OtherRow,
    Precision,
    Rate,
    ScheduleChoice,
    Teacher,
    TeacherChoice,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One row of a sweep, whole: what every seed of it does.

    It begins with the trunk, all but the head, that the row `start` trained, if one is named. It learns by `losses`;
    with `circulation` in every cycle, and there from true heatmaps where there are no losses.
    """

    __pydantic_config__ = FORBID

    student: ModelChoice
    teacher: Teacher | None = None
    start: OtherRow | None = None
    losses: Losses | None = None
    circulation: CirculationChoice | None = None
    input_size: tuple[Count, Count]
    data: DataChoice
    augmentation: AugmentationChoice
    schedule: ScheduleChoice
    precision: Precision = "fp32"
    evaluation: EvaluationChoice
    optimizer: OptimizerChoice = ADAM
    ema: Average | None = None
    clip_grad_norm: Rate | None = None
    compile: bool = False

    @property
    def trained_teacher(self) -> TeacherChoice | None:
        """The teacher that a run of ours trains, if that is what it is."""
        return self.teacher if isinstance(self.teacher, TeacherChoice) else None

    @property
    def given_teacher(self) -> MMPoseChoice | None:
        """The teacher that comes trained, if that is what it is."""
        return self.teacher.mmpose if isinstance(self.teacher, GivenTeacher) else None

    @property
    def row_teacher(self) -> Recipe | None:
        """The recipe of the row that teaches, if that is what does."""
        recipe: Recipe | None = self.teacher.recipe if isinstance(self.teacher, OtherRow) else None
        return recipe

    @property
    def other_rows(self) -> dict[str, OtherRow]:
        """The rows that must be trained first, by the field that names each."""
        named = {"teacher": self.teacher, "start": self.start}
        return {field: one for field, one in named.items() if isinstance(one, OtherRow)}

    @property
    def uses_teacher(self) -> bool:
        """Whether the result can depend on the teacher: through a loss or through the weights it starts from."""
        distils = self.losses is not None and self.losses.needs_teacher
        return self.teacher is not None and (distils or self.student.init in OF_TEACHER)

    @property
    def ticks(self) -> dict[str, bool]:
        """Which distillation terms are in use, in the order of the published tables."""
        return {name: used for one in (self.losses, self.circulation) if one for name, used in one.ticks.items()}

    def student_run(self, seed: int) -> RunRecipe:
        """The student's run of this row with one seed."""
        return RunRecipe(
            role="student",
            seed=seed,
            model=self.student,
            losses=self.losses,
            circulation=self.circulation,
            input_size=self.input_size,
            data=self.data,
            augmentation=self.augmentation,
            schedule=self.schedule,
            precision=self.precision,
            evaluation=self.evaluation,
            optimizer=self.optimizer,
            ema=self.ema,
            clip_grad_norm=self.clip_grad_norm,
            compile=self.compile,
            given_teacher=self.given_teacher if self.uses_teacher else None,
        )

    def teacher_run(self, seed: int) -> RunRecipe:
        """The run that trains this row's teacher; of a row that teaches, the run with this seed."""
        if self.row_teacher is not None:
            return self.row_teacher.student_run(seed)
        teacher = self.trained_teacher
        assert teacher is not None
        return RunRecipe(
            role="teacher",
            seed=teacher.seed,
            model=teacher.choice,
            losses=teacher.losses,
            input_size=self.input_size,
            data=self.data,
            augmentation=teacher.augmentation,
            schedule=teacher.schedule,
            precision=teacher.precision,
            evaluation=self.evaluation,
            optimizer=teacher.optimizer,
            ema=teacher.ema,
            clip_grad_norm=teacher.clip_grad_norm,
            compile=teacher.compile,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecipe:
    """What one run trains, student or teacher. One with neither `losses` nor `circulation` learns heatmaps.

    `given_teacher` are the files of a student's teacher that no run of ours trained.
    """

    __pydantic_config__ = FORBID

    role: Literal["student", "teacher"]
    seed: Natural
    model: ModelChoice
    losses: Losses | None
    circulation: CirculationChoice | None = None
    input_size: tuple[Count, Count]
    data: DataChoice
    augmentation: AugmentationChoice
    schedule: ScheduleChoice
    precision: Precision
    evaluation: EvaluationChoice
    optimizer: OptimizerChoice = ADAM
    ema: Average | None = None
    clip_grad_norm: Rate | None = None
    compile: bool = False
    given_teacher: MMPoseChoice | None = None

    @property
    def own_parts(self) -> tuple[OwnPart, ...]:
        """All code of users that the run needs."""
        losses = (use.own for use in self.losses or ())
        found = (*self.model.own_parts.values(), *losses, self.evaluation.best_by.own)
        return tuple(part for part in found if part is not None)
