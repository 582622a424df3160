"""A listener that says nothing: that of every process but the first, where several train one cohort."""

from collections.abc import Sequence
from pathlib import Path

from distilpose.evaluation.evaluate import Evaluation
from distilpose.training.member import Member


class SilentListener:
    """Hears what happens to each run, and leaves it to the first process to tell."""

    def restored(self, member: Member, damaged: Sequence[Path]) -> None:
        """Nothing is said."""

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        """Nothing is said."""

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        """Nothing is said."""

    def checkpointing(self, member: Member) -> None:
        """Nothing is said."""

    def checkpointed(self, member: Member) -> None:
        """Nothing is said."""

    def ended(self, member: Member, epoch: int) -> None:
        """Nothing is said."""

    def failed(self, member: Member) -> None:
        """Nothing is said."""

    def finished(self, member: Member) -> None:
        """Nothing is said."""

    def left(self, member: Member) -> None:
        """Nothing is said."""
