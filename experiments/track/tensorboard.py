"""TensorBoard's event files: scalars, pictures and hyperparameters, a folder for each run. Read by SwanLab too."""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.track.card import RunCard, flat_config
from experiments.track.protocol import Outputs, Process, Status, Step, needs


@dataclass(frozen=True, kw_only=True)
class TensorBoard:
    """Where the event files go: `logdir`, or the folder `tensorboard` beside the runs."""

    logdir: str = ""
    process = Process()

    @property
    def place(self) -> str:
        """The folder."""
        return f"tensorboard {self.logdir}".strip()

    def check(self, *, reach: bool) -> None:
        """See `Service`."""
        needs("tensorboard")

    def open(self, card: RunCard, run_dir: Path, *, live: bool) -> "TensorBoardRun":
        """Begin a file: whoever tells of a run tells all of it."""
        logdir = Path(self.logdir) if self.logdir else run_dir.parent / "tensorboard"
        name = card.name.replace("/", "_")
        return TensorBoardRun(card, logdir / (card.group or "") / f"{name} ({card.run_id})")


class TensorBoardRun:
    """The event file of a run. What earlier files say is void, as TensorBoard is told; they may be deleted."""

    def __init__(self, card: RunCard, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        stamps = [int(file.name.split(".")[3]) for file in folder.glob("events.out.tfevents.*")]
        # Files are read in the order of their names; two may be of one second, or of machines whose clocks differ.
        stamp = max(int(time.time()), *(stamp + 1 for stamp in stamps), 0)
        self._writer = RecordWriter((folder / f"events.out.tfevents.{stamp:010d}.{card.run_id}").open("xb"))
        self._write(time.time(), 0, file_version="brain.Event:2")
        self._write(time.time(), 0, session_log=SessionLog(status=SessionLog.START))
        start = SessionStartInfo(group_name=card.run_id, start_time_secs=time.time())
        for name, value in flat_config(card.config).items():
            kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(start.hparams[name], kind, value)
        self._session("start", session_start_info=start)

    def log(self, step: Step) -> None:
        """Write a step's numbers, in single precision, and its pictures as they are."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in step.values.items()]
        for picture in step.pictures:
            content = picture.file.read_bytes()
            width, height = _size(content)
            image = Summary.Image(encoded_image_string=content, width=width, height=height, colorspace=3)
            values.append(Summary.Value(tag=f"pictures/{picture.kind}", image=image))
        self._write(step.time, step.step, summary=Summary(value=values))

    def summary(self, values: Mapping[str, float]) -> None:
        """Write the numbers that the table of hyperparameters shows, at step 0: they belong to no step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = [Summary.Value(tag=f"summary/{name}", simple_value=value) for name, value in values.items()]
        self._write(time.time(), 0, summary=Summary(value=numbers))

    def finish(self, status: Status, outputs: Outputs | None) -> None:
        """Close the file."""
        from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

        ended = STATUS_FAILURE if status == "failed" else STATUS_SUCCESS
        self._session("end", session_end_info=SessionEndInfo(status=ended, end_time_secs=time.time()))
        self._writer.close()

    def _session(self, name: str, **info: Any) -> None:
        """Write what the table of hyperparameters is made of."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        content = HParamsPluginData(version=0, **info).SerializeToString()
        data = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
        value = Summary.Value(tag=f"_hparams_/session_{name}_info", metadata=SummaryMetadata(plugin_data=data))
        self._write(time.time(), 0, summary=Summary(value=[value]))

    def _write(self, at: float, step: int, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.write(Event(wall_time=at, step=step, **what).SerializeToString())
        self._writer.flush()


def _size(content: bytes) -> tuple[int, int]:
    import PIL.Image

    with PIL.Image.open(io.BytesIO(content)) as image:
        return image.size
