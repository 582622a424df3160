"""The suite from Python: what `import distilpose` offers a notebook. Like the command line, it stands above all rooms.

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from distilpose.data.skeleton import Skeleton
    from distilpose.pictures.palette import Image
    from reports.results import Results

    Pictured = str | PathLike[str] | NDArray[np.uint8] | Picture


@dataclass(frozen=True, slots=True)
class Poses:
    """The people of one picture, the surest first; a notebook shows them drawn.

    keypoints: [people, joints, 3]: x and y in pixels, and the joint's score.
    boxes: [people, 4]: x, y, width and height in pixels.
    scores: [people], of each person.
    """

    image: Image
    keypoints: Float[NDArray[np.float32], "people joints 3"]
    boxes: Float[NDArray[np.float64], "people 4"]
    scores: Float[NDArray[np.floating], " people"]
    skeleton: Skeleton
    has_scores: bool = True

    def picture(self, threshold: float = 0.2) -> Picture:
        """The picture with everybody on it; joints that score below `threshold` are left out."""
        from PIL import Image as pil

        from distilpose.prediction.drawing import people_picture
        from distilpose.prediction.predictor import People

        people = People(self.boxes, self.keypoints, self.scores, self.has_scores)
        return pil.fromarray(people_picture(self.image, people, self.skeleton, threshold=threshold))

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.picture().save(written, format="PNG")
        return written.getvalue()

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"{len(self.scores)} people with {self.skeleton.num_joints} joints in a picture of {width}x{height}"


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A trained model on one device: what `load` returns. `module` is the torch module."""

    name: str
    module: Any
    skeleton: Skeleton
    input_size: tuple[int, int]
    device: str

    def predict(
        self, image: Pictured | Sequence[Pictured], boxes: Any = None, *, flip_test: bool = False
    ) -> Poses | list[Poses]:
        """The poses in a picture, or in each of a list of pictures.

        Args:
            image: a file, an RGB array [height, width, 3] of uint8, or a PIL picture; or a list of these.
            boxes: where the people are, [people, 4] as x, y, width, height in pixels; for a list of pictures one such
                array each. None takes the whole picture for one person.
            flip_test: whether to average with the mirrored picture.

        Raises:
            ValueError: a picture cannot be read, or boxes are not four finite numbers each.

        """
        if isinstance(image, list | tuple):
            each = [None] * len(image) if boxes is None else list(boxes)
            if len(each) != len(image):
                raise ValueError(f"boxes: must be as many as pictures, {len(image)}, got {len(each)}")
            return [self._predict(one, found, flip_test) for one, found in zip(image, each, strict=True)]
        return self._predict(cast("Pictured", image), boxes, flip_test)

    def _predict(self, image: Pictured, boxes: Any, flip_test: bool) -> Poses:
        import torch

        from distilpose.prediction.boxes import Boxes
        from distilpose.prediction.predictor import Predictor

        pixels = _pixels(image)
        height, width = pixels.shape[:2]
        found = np.array([[0.0, 0.0, width, height]] if boxes is None else boxes, np.float64)
        if found.ndim != 2 or found.shape[1:] != (4,):
            raise ValueError(f"boxes: must be [people, 4], x, y, width, height in pixels, got {list(found.shape)}")
        predictor = Predictor(self.module, self.skeleton, self.input_size, torch.device(self.device), flip_test)
        people = predictor.predict(pixels, Boxes(found, np.ones(len(found))))
        return Poses(pixels, people.keypoints, people.boxes, people.scores, self.skeleton, people.has_scores)

    def __repr__(self) -> str:
        width, height = self.input_size
        return f"{self.name}: {self.skeleton.num_joints} joints, crops of {width}x{height}, on {self.device}"


def load(run_or_file: str | PathLike[str], *, runs: str | PathLike[str] = "runs", device: str = "auto") -> Model:
    """A trained model: of a finished run, by its id or the beginning of it, or of a `.safetensors` or `.onnx` file.

    Raises:
        ValueError: there is no such run or file, the run is not finished, or the file does not say what its joints are.

    """
    from experiments.launch.devices import torch_device
    from experiments.runs.store import Store
    from experiments.trained.load import load_weights

    loaded = load_weights(str(run_or_file), store=Store(Path(runs)))
    if loaded.skeleton is None:
        raise ValueError(f"{loaded.file}: does not say what its {loaded.joints} joints are")
    where = torch_device(device)
    return Model(loaded.name, loaded.module.to(where), loaded.skeleton, loaded.input_size, str(where))


def results(runs: str | PathLike[str], sweep: str) -> Results:
    """The runs of a launched sweep as a table; `sweep` is its name and profile, such as "losses.tiny"."""
    from reports.results import read_results

    return read_results(Path(runs), sweep)


def plan(
    sweep: str | PathLike[str],
    profile: str | None = None,
    *,
    data: str | PathLike[str] | None = None,
    runs: str | PathLike[str] = "runs",
) -> pd.DataFrame:
    """The runs that a sweep needs, teachers first: row, seed, role, run_id, teacher_id and state. Starts nothing.

    Raises:
        ValueError: the sweep file or its data are not right; the message names the file, the line and the rule.

    """
    import pandas as pd

    from experiments.cli.options import Place, plan_sweep, read_profile
    from experiments.runs.store import Store

    place = Place(data=None if data is None else Path(data), runs=Path(runs))
    planned = plan_sweep(read_profile(str(sweep), profile, place.data), place)
    if planned.problems:
        raise ValueError("\n".join(planned.problems))
    states = Store(place.runs).states(planned.runs)
    return pd.DataFrame(
        [
            {
                "row": run.row,
                "seed": run.seed,
                "role": run.role,
                "run_id": run.run_id,
                "teacher_id": run.teacher_id,
                "state": states[run.run_id],
            }
            for run in planned.runs.values()
        ]
    )


def launch(
    sweep: str | PathLike[str],
    profile: str | None = None,
    *,
    data: str | PathLike[str] | None = None,
    runs: str | PathLike[str] = "runs",
    device: str = "auto",
    track: Sequence[str] = ("none",),
) -> Results:
    """Train what a sweep lacks, here, and return its results; those of runs that failed have no metrics.

    Raises:
        ValueError: the sweep, its data or a tracker are not right.
        KeyboardInterrupt: it was interrupted; the same call goes on.

    """
    import typer

    from experiments.cli.launch import launch as command
    from experiments.cli.options import INCOMPLETE, INTERRUPTED, read_profile

    folder = None if data is None else Path(data)
    chosen = read_profile(str(sweep), profile, folder)
    try:
        command(str(sweep), chosen.profile, folder, Path(runs), device=device, track=list(track))
    except typer.Exit as ended:
        if ended.exit_code == INTERRUPTED:
            raise KeyboardInterrupt from None
        if ended.exit_code != INCOMPLETE:
            raise ValueError(f"{sweep}: was not launched; what is wrong is printed above") from None
    return results(runs, f"{chosen.sweep}.{chosen.profile}")


def _pixels(image: Pictured) -> Image:
    """A picture as an RGB array."""
    if isinstance(image, str | PathLike):
        from distilpose.data.transforms import read_rgb

        return read_rgb(str(image))
    pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"image: must be an RGB array [height, width, 3] of uint8, got {pixels.dtype} {pixels.shape}")
    return pixels
