"""One run shown by one service, while it trains or afterwards: nothing raises."""

import contextlib
import logging
import time as clock
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.track.card import RunCard
from experiments.track.courier import Courier
from experiments.track.protocol import Outputs, Picture, Service, ServiceRun, Status, Step
from experiments.track.sent import journal_digest, note

log = logging.getLogger(__name__)


class Tracker:
    """Mirrors one run to a service, a step at a time.

    The journal is the truth; a tracker must never stop a run. A picture that cannot be read is left out; any other
    fault switches the tracker off, with one warning. `distilpose track replay` makes up for it.

    Args:
        card: how the run is shown.
        run_dir: the run's directory, which pictures' paths are relative to.
        service: where it is shown.
        courier: has errands done in their order while the run trains; without one they are done at once.
        outputs: files that the service is given when the run has finished.

    """

    def __init__(
        self,
        card: RunCard,
        *,
        run_dir: Path,
        service: Service,
        courier: Courier | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        self.fault = ""  # why the service lacks something, if it does
        self._card, self._run_dir, self._service, self._outputs = card, run_dir, service, outputs
        self._live, self._send = courier is not None, _at_once if courier is None else courier.send
        self._run: ServiceRun | None = None
        self._step: Step | None = None
        self._closed = False
        self._send(self._open)

    def metrics(
        self, step: int, values: Mapping[str, float], *, epoch: float | None = None, time: float | None = None
    ) -> None:
        """Show numbers of a step, under names like "train/loss" and "val/AP"; by default of now."""
        self._at(step, epoch, time).values.update({name: float(value) for name, value in values.items()})

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """Show the picture in a file, whose path is relative to the run's directory (or absolute)."""
        picture = Picture(kind=kind, file=self._run_dir / path, caption=caption)
        self._at(step, epoch, None).pictures.append(picture)

    def summary(self, values: Mapping[str, float]) -> None:
        """Show the numbers that the run ends with."""
        self._flush()
        self._act(lambda run: run.summary(values))

    def close(self, status: Status) -> None:
        """Say how the run ended, and take no more of it. Closing again is harmless."""
        if self._closed:
            return
        self._closed = True
        self._flush()
        digest = journal_digest(self._run_dir)  # as it stands now: whoever has the run next goes on writing

        def finish(run: ServiceRun) -> None:
            self._run = None
            run.finish(status, self._outputs if status == "finished" else None)
            if not self.fault:
                note(self._run_dir, self._service.place, digest)

        self._act(finish)

    def _at(self, step: int, epoch: float | None, time: float | None) -> Step:
        if self._step is None or self._step.step != step:
            self._flush()
            self._step = Step(step=step, epoch=epoch, time=clock.time() if time is None else time, values={})
        return self._step

    def _flush(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            self._act(lambda run: self._log(run, step))

    def _log(self, run: ServiceRun, step: Step) -> None:
        step.pictures[:] = filter(self._readable, step.pictures)
        run.log(step)

    def _readable(self, picture: Picture) -> bool:
        import PIL.Image

        try:
            with PIL.Image.open(picture.file) as image:
                image.verify()
        except FileNotFoundError as error:  # it was tidied away, and nothing can bring it back
            self._warn("a picture is left out", error)
            return False
        except Exception as error:  # a PNG can be broken in many ways
            self.fault = self._warn("a picture is left out", error)
            return False
        return True

    def _open(self) -> None:
        try:
            self._run = self._service.open(self._card, self._run_dir, live=self._live)
        except Exception as error:
            self.fault = self._warn("does not start; the run is not mirrored", error)

    def _act(self, action: Callable[[ServiceRun], None]) -> None:
        def act() -> None:
            run = self._run
            if run is None:
                return
            try:
                action(run)
            except Exception as error:
                self.fault = self._warn("failed; the run goes on without it", error)
                unfinished, self._run = self._run, None
                with contextlib.suppress(Exception):  # what was shown so far may still be kept
                    if unfinished is not None:
                        unfinished.finish("failed", None)

        self._send(act)

    def _warn(self, consequence: str, error: Exception) -> str:
        what = f"{self._service.place}: {consequence} ({type(error).__name__}: {error})"
        log.warning("run %s: %s", self._card.run_id, what)
        return what


def _at_once(errand: Callable[[], None]) -> None:
    errand()
