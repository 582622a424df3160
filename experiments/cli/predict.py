"""`distilpose predict`: a trained model on anybody's pictures and videos."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import INCOMPLETE, RUNS, Device, Runs, console
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    import torch

    from distilpose.data.skeleton import Skeleton
    from distilpose.prediction.boxes import BoxSource
    from distilpose.prediction.files import Request
    from distilpose.prediction.inputs import Input
    from distilpose.prediction.predictor import Predictor
    from experiments.trained.load import LoadedModel

Weights = Annotated[
    str, typer.Option(help="Id of a finished run, or a .safetensors file.", metavar="RUN_ID|FILE", show_default=False)
]


def predict(
    source: Annotated[Path, typer.Argument(help="A picture, a video, or a folder of them.", metavar="INPUT")],
    weights: Weights,
    model: Annotated[str | None, typer.Option(help="The published model of a file that names none.")] = None,
    boxes: Annotated[Path | None, typer.Option(help="COCO file of people's boxes: results or annotations.")] = None,
    detector: Annotated[str | None, typer.Option(help="torchvision: find people by a detector of COCO's.")] = None,
    box_threshold: Annotated[float, typer.Option(help="Boxes less sure are left out.", min=0, max=1)] = 0.5,
    attention: Annotated[str | None, typer.Option(help="Draw this joint's attention.", metavar="JOINT")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Draw this model's heatmaps beside.", metavar="RUN_ID|FILE")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Joints less sure are not drawn.", min=0, max=1)] = 0.0,
    flip_test: Annotated[bool, typer.Option("--flip-test", help="Ask about the mirror image too.")] = False,
    skeleton: Annotated[Path | None, typer.Option(help="Annotation file that names the joints.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("predictions"),
    device: Device = "auto",
    runs: Runs = RUNS,
) -> None:
    """Poses of the people in pictures and videos: COCO results as JSON, and pictures of skeletons, heatmaps, attention.

    Without boxes or a detector a picture is taken for one person, all of it.
    """
    # What is wrong with a video we say ourselves.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    from distilpose.prediction.files import Request
    from distilpose.prediction.inputs import find_inputs, others
    from distilpose.prediction.predictor import Predictor
    from experiments.launch.devices import torch_device
    from experiments.runs.store import Store
    from experiments.trained.load import load_weights

    if boxes is not None and detector is not None:
        raise ValueError(f"--boxes {boxes} and --detector {detector}: give one of them")
    files = find_inputs(source)
    store = Store(runs)
    loaded = load_weights(weights, store=store, model=model)
    joints = _skeleton(loaded, skeleton)
    joint = None if attention is None else _joint(loaded, joints, attention)
    told = None if teacher is None else _teacher(load_weights(teacher, store=store), loaded)
    where = torch_device(device)
    find, how = _boxes(boxes, detector, box_threshold, where)
    predictor = Predictor(loaded.module.to(where), joints, loaded.input_size, where, flip_test)
    request = Request(
        predictor=predictor,
        boxes=find,
        where=f"{how}{_trained_on(loaded)}",
        title=loaded.name,
        teacher=None if told is None else told.to(where),
        attention=joint,
        threshold=threshold,
    )
    ignored = others(source, files)
    if ignored:
        console.print(f"Left alone in {source}: {ignored} that are no pictures or videos.", markup=False)
    if not _carry_out(request, loaded, files, out):
        raise typer.Exit(INCOMPLETE)


def _carry_out(request: "Request", loaded: "LoadedModel", files: Sequence["Input"], out: Path) -> bool:
    """Look at every file; a broken one is reported at the end, and the others go on. Returns whether none was."""
    from distilpose.prediction.boxes import FileBoxes
    from distilpose.prediction.files import predict_picture, predict_video, rows_text
    from distilpose.prediction.inputs import image_ids
    from experiments.runs.atomic import write_whole
    from experiments.terminal.launch_view import counting

    problems: list[str] = []
    lengths = _lengths(files, problems)
    pictures = [file for file in files if file.kind == "picture"]
    frames = sum(lengths.values())
    console.print(_cost_line(request, loaded, len(pictures), len(lengths), frames), markup=False, soft_wrap=True)
    for folder in (out / "pictures",) * bool(pictures) + (out / "videos",) * bool(lengths):
        folder.mkdir(parents=True, exist_ok=True)
    names = request.boxes.ids if isinstance(request.boxes, FileBoxes) else {}
    results, seen = [], 0
    done, total = 0, len(pictures) + frames
    with counting(console, "predicting") as on_progress:

        def step() -> None:
            nonlocal done
            done += 1
            on_progress(done, max(done, total))

        for file, own in zip(pictures, image_ids([file.path for file in pictures]), strict=True):
            image_id = own._replace(number=names.get(file.path.name, own.number))
            try:
                results += predict_picture(request, file, image_id, out / "pictures")
                seen += 1
            except ValueError as error:
                problems.append(str(error))
            step()
        for file in lengths:
            try:
                rows, missing = predict_video(request, file, out / "videos", step)
            except ValueError as error:
                problems.append(str(error))
                continue
            if missing:
                problems.append(f"{file.path}: ends {missing} frames before its end; what there is was looked at")
            write_whole(out / "videos" / f"{file.name}.json", rows_text(rows))
            print_line(out / "videos" / f"{file.name}.mp4")
            print_line(out / "videos" / f"{file.name}.json")
    if seen:
        write_whole(out / "results.json", rows_text(results))
        print_line(out / "results.json")
        print_line(out / "pictures")
        console.print(f"{len(results)} people in {seen} picture{'s' * (seen != 1)}.")
    for problem in problems:
        console.print(f"error: {problem}", markup=False, highlight=False, soft_wrap=True)
    return not problems


def _lengths(files: Sequence["Input"], problems: list[str]) -> dict["Input", int]:
    """How many frames each video says it has; what is wrong with one becomes a problem."""
    from distilpose.prediction.video import video_facts

    lengths = {}
    for file in files:
        if file.kind == "video":
            try:
                lengths[file] = video_facts(file.path).frames
            except ValueError as error:
                problems.append(str(error))
    return lengths


def _cost_line(request: "Request", loaded: "LoadedModel", pictures: int, videos: int, frames: int) -> str:
    """What is going to be done, and what it costs at the least, said before it starts."""
    from experiments.machine.quantities import duration

    seconds = _seconds_a_person(request.predictor)
    what = [f"{pictures} picture{'s' * (pictures != 1)}"] * bool(pictures)
    what += [f"{videos} video{'s' * (videos != 1)} of {frames} frames"] * bool(videos)
    size = "x".join(map(str, loaded.input_size))
    return (
        f"{' and '.join(what) or 'nothing that can be read'}; {request.where}.\n"
        f"{loaded.name} ({loaded.description.model}, crops of {size}) takes {1000 * seconds:.0f} ms a person on "
        f"{request.predictor.device}: with one person each about {duration(seconds * (pictures + frames))}; "
        "reading and drawing not included."
    )


def _seconds_a_person(predictor: "Predictor") -> float:
    import numpy as np

    from distilpose.prediction.boxes import Frame, whole_picture

    grey = np.full((64, 48, 3), 128, np.uint8)
    found = whole_picture(Frame("", 0, grey))
    taken = []
    for _ in range(3):  # the first call is slower, and another may be disturbed
        began = time.perf_counter()
        predictor.predict(grey, found)
        taken.append(time.perf_counter() - began)
    return min(taken)


def _boxes(file: Path | None, detector: str | None, at_least: float, device: "torch.device") -> tuple["BoxSource", str]:
    """Where people come from, and the same in words."""
    from distilpose.prediction.boxes import read_boxes, whole_picture

    if file is not None:
        return read_boxes(file, at_least=at_least), f"boxes of {file.name} that score at least {at_least:g}"
    if detector is None:
        return whole_picture, "no boxes given: the whole picture is taken for one person"
    from distilpose.integrations.torchvision_detector import DETECTORS, load_detector

    family, _, name = detector.partition(":")
    if family != "torchvision":
        known = ", ".join(("torchvision", *(f"torchvision:{other}" for other in DETECTORS)))
        raise ValueError(f"--detector: must be one of {known}, got {detector!r}")
    name = name or DETECTORS[0]
    return (
        load_detector(name, device=device, at_least=at_least),
        f"people that torchvision's {name} sees with a score of at least {at_least:g}",
    )


def _trained_on(loaded: "LoadedModel") -> str:
    """The data of a run, for captions; nothing of a bare file."""
    if loaded.recipe is None:
        return ""
    data = loaded.recipe.data
    people = "synthetic people" if data.synthetic else Path(data.root or "").name
    return f"; model trained on {people} at {'x'.join(map(str, loaded.input_size))}"


def _skeleton(loaded: "LoadedModel", file: Path | None) -> "Skeleton":
    """The joints' names and limbs: the user's, else what is known of the weights."""
    from distilpose.data.records import file_skeleton

    found = loaded.skeleton if file is None else file_skeleton(file)
    if found is None:
        raise ValueError(
            f"{loaded.file}: does not say what its {loaded.joints} joints are; give --skeleton an annotation file "
            "whose category names them"
        )
    if found.num_joints != loaded.joints:
        raise ValueError(f"{file}: must name the {loaded.joints} joints of {loaded.name}, names {found.num_joints}")
    return found


def _joint(loaded: "LoadedModel", skeleton: "Skeleton", name: str) -> int:
    """The joint of this name; ValueError where there is none, or no attention to draw."""
    if "keypoint_tokens" not in loaded.description.spec().gives:
        raise ValueError(f"--attention {name}: {loaded.description.model} has no tokens and so no attention")
    return skeleton.find(name)


def _teacher(teacher: "LoadedModel", loaded: "LoadedModel") -> "torch.nn.Module":
    """The module of a teacher that can be drawn beside the model."""
    if teacher.description.spec().role != "teacher":
        raise ValueError(f"--teacher: must return heatmaps, {teacher.name} ({teacher.description.model}) does not")
    for what, theirs, ours in (
        ("crops", teacher.input_size, loaded.input_size),
        ("joints", teacher.joints, loaded.joints),
    ):
        if theirs != ours:
            raise ValueError(f"--teacher: {what} must be those of {loaded.name}, {ours}, got {theirs}")
    return teacher.module
