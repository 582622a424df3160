"""Files that others wrote, mutated: each is used, or refused by one message that names it; nothing else is raised."""

import contextlib
import copy
import functools
import io
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from distilpose.data.check import check_split
from distilpose.data.coco import load_pose_data
from distilpose.data.foreign import is_printable
from distilpose.data.pictures import picture_defect
from distilpose.data.records import file_skeleton
from distilpose.data.skeleton import COCO, coco_category
from distilpose.data.stream import PeopleStream, eval_batches
from distilpose.data.transforms import Augmentation
from distilpose.data.unlabelled import load_pictures
from distilpose.evaluation.average_precision import average_precision, read_truth
from distilpose.evaluation.boxes import detected_people
from distilpose.evaluation.diagnosis import diagnose
from distilpose.models.conversion import read_official
from distilpose.models.description import Description
from distilpose.prediction.boxes import Frame, read_boxes
from experiments.cli.main import main
from experiments.runs.store import Store
from experiments.trained.load import load_weights

SIZE = (48, 64)
OPTIONS = {
    "joints": 17,
    "input_size": SIZE,
    "width": 4,
    "dim": 8,
    "depth": 1,
    "heads": 2,
    "score": True,
    "sigma": False,
}
HARD = Augmentation(flip=1.0, half_body=1.0, half_body_joints=1, scale=0.9, rotation=179, rotation_p=1.0)
PICTURE = np.full((80, 60, 3), 90, np.uint8)
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

HOSTILE = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -(10**400), 0.5, 1e300, -1e12, 1e13]),
    st.sampled_from(
        [float("nan"), float("inf"), -float("inf"), "", "0", "nose", "../a", "/etc/passwd", "a\0b", "C:\\a"]
    ),
    st.sampled_from(["\x1b[2J", "\ud800", "\u202e", "a\nb", "x" * 5000, "[/red]", [], {}, [[]], [None], {"": {}}]),
    st.text(max_size=5),
    st.integers(-3, 70),
    st.floats(),
    st.lists(st.integers(0, 3), max_size=5),
)


@st.composite
def mutated(draw: st.DrawFn, tree: Any) -> Any:
    """A parsed JSON file of which some values, or whole records, are replaced, left out, or there twice."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        parent, inside = tree, list(parts(tree))
        if not inside:
            break
        key = draw(st.sampled_from(inside))
        while (inside := list(parts(parent[key]))) and draw(st.integers(0, 3)):
            parent, key = parent[key], draw(st.sampled_from(inside))
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "twice"])):
            case "replace":
                parent[key] = copy.deepcopy(draw(HOSTILE))
            case "remove":
                del parent[key]
            case "twice" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
    return tree


def parts(value: Any) -> Any:
    return value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()


PLACE = st.integers(0, 2**16)
EDITS = st.lists(st.tuples(PLACE, st.integers(0, 4), st.binary(max_size=4)), max_size=3)


def damaged(content: bytes, edits: list[tuple[int, int, bytes]], end: int | None) -> bytes:
    """A file of which some bytes are others, and that may be cut."""
    whole = bytearray(content)
    for place, length, other in edits:
        at = place % (len(whole) + 1)
        whole[at : at + length] = other
    return bytes(whole if end is None else whole[: end % (len(whole) + 1)])


def files_like(*contents: bytes) -> st.SearchStrategy[bytes]:
    """Files of which some bytes are others, and some that are cut."""
    return st.builds(damaged, st.sampled_from(contents), EDITS, st.none() | PLACE)


def files_of(tree: Any) -> st.SearchStrategy[bytes]:
    """JSON files like one: most of them JSON still."""
    as_json = mutated(tree).map(lambda other: json.dumps(other).encode())
    return st.one_of(*[as_json] * 6, files_like(json.dumps(tree).encode()), st.binary(max_size=20))


def used_or_refused(use: Callable[[], Any], file: Path) -> bool:
    """Whether the file was used; where it was refused, by one message that names it and is printable."""
    message = ""
    try:
        use()
    except ValueError as error:
        message = str(error) or "empty"
    assert message == "" or file.name in message or ".png: must be (" in message  # a picture of another size
    assert is_printable(message)
    assert len(message) < 2000
    assert "weights_only" not in message, "PyTorch's advice to run the file"
    return message == ""


def told(*arguments: object) -> tuple[int, str]:
    """The exit code of the command in this process, and all that it says."""
    said = io.StringIO()
    before, sys.argv = sys.argv, ["distilpose", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ending:
            main()
    finally:
        sys.argv = before
    return int(ending.value.code or 0), said.getvalue()


def annotated() -> dict[str, Any]:
    joints = np.column_stack([np.linspace(12, 48, 17), np.linspace(15, 65, 17), np.full(17, 2)])
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 60, "height": 80} for n in (1, 2)],
        "annotations": [
            {"id": 10 + n, "image_id": n, "category_id": 1, "keypoints": joints.ravel().tolist(), "num_keypoints": 17,
             "bbox": [10.0, 12.0, 40.0, 56.0], "area": 1200.0, "iscrowd": 0}
            for n in (1, 2)
        ],
        "categories": [coco_category()],
    }  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid split of two people, train."""
    folder = tmp_path_factory.mktemp("people")
    for part in ("annotations", "images/train"):
        (folder / part).mkdir(parents=True)
    for number in (1, 2):
        cv2.imwrite(str(folder / "images" / "train" / f"{number}.png"), PICTURE)
    return folder


@fuzz
@given(content=files_of(annotated()))
def test_annotations_are_sound_and_trainable_or_refused_by_check_and_loader_alike(root: Path, content: bytes) -> None:
    file = root / "annotations" / "train.json"
    file.write_bytes(content)
    report = check_split(root, "train")
    assert all(is_printable(line) for line in report.lines())
    json.dumps(report.to_json())

    def use() -> None:
        data = load_pose_data(root, "train")
        trained = PeopleStream(data, input_size=SIZE, augmentation=HARD, seed=0, batch_size=2, drop_last=False)
        rows = [
            {"image_id": one.image_id, "category_id": data.category_id, "score": 1.0,
             "keypoints": one.keypoints.ravel().tolist()}
            for one in data.people
        ]  # fmt: skip
        truth = read_truth(file, data.skeleton.sigmas)
        assert average_precision(truth, rows).get("AP50", 1) > 0
        diagnose(rows, truth, data.skeleton.names)
        for batch in (*eval_batches(data, input_size=SIZE, batch_size=2), *trained.epoch(0)):
            assert all(torch.isfinite(part).all() for part in batch)

    assert used_or_refused(use, file) or not report.ok
    used_or_refused(lambda: file_skeleton(file), file)


@settings(fuzz, max_examples=15)
@given(content=files_of(annotated()))
def test_the_command_says_what_is_wrong_and_ends_with_0_or_2(root: Path, content: bytes) -> None:
    (root / "annotations" / "train.json").write_bytes(content)
    code, said = told("data", "check", root)
    assert code in (0, 2)
    assert said.startswith("train: ")
    assert all(is_printable(line) for line in said.splitlines())


@fuzz
@given(content=files_of({"images": annotated()["images"], "categories": []}))
def test_lists_of_pictures_are_read_or_refused(root: Path, content: bytes) -> None:
    file = root / "annotations" / "image_info_train.json"
    file.write_bytes(content)
    used_or_refused(lambda: load_pictures(root, "train"), file)
    file.unlink()


ROWS = [{"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 30.0, 40.0], "score": 0.9, "file_name": "1.png"}] * 2


@fuzz
@given(content=st.one_of(files_of(ROWS), files_of(annotated())))
def test_boxes_are_read_or_refused(root: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    (root / "annotations" / "train.json").write_text(json.dumps(annotated()))
    data = load_pose_data(root, "train")
    file = tmp_path_factory.getbasetemp() / "boxes.json"
    file.write_bytes(content)
    used_or_refused(lambda: detected_people(data, file), file)

    def use() -> None:
        source = read_boxes(file, at_least=0)
        with contextlib.suppress(ValueError):  # of a picture that the boxes do not know
            found = source(Frame("1.png", 1, PICTURE))
            assert np.isfinite(found.boxes).all()

    used_or_refused(use, file)


def notes() -> dict[str, Any]:
    said = Description(model="distilpose_s", options=OPTIONS, skeleton=COCO).to_metadata()
    return {**said, "options": json.loads(said["options"]), "skeleton": json.loads(said["skeleton"])}


@functools.cache
def weights() -> dict[str, torch.Tensor]:
    """Of the model in `notes`."""
    model = Description(model="distilpose_s", options=OPTIONS).build()
    return {name: value.contiguous() for name, value in model.state_dict().items()}


def text_of(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace").decode()


def loads(file: Path) -> Callable[[], None]:
    def use() -> None:
        loaded = load_weights(str(file), store=Store(file.parent))
        assert loaded.module(torch.zeros(1, 3, *loaded.input_size[::-1])).keypoints.shape == (1, loaded.joints, 2)

    return use


@fuzz
@given(said=mutated(notes()), edits=EDITS, end=st.none() | st.none() | PLACE)
def test_weights_whose_notes_are_others_are_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    said: dict[str, Any],
    edits: list[tuple[int, int, bytes]],
    end: int | None,
) -> None:
    file = tmp_path_factory.getbasetemp() / "notes.safetensors"
    content = save(weights(), {text_of(name): text_of(value) for name, value in said.items()})
    file.write_bytes(content if len(edits) < 2 else damaged(content, edits, end))
    used_or_refused(loads(file), file)


@fuzz
@given(
    name=st.integers(0, 10**6),
    change=st.sampled_from(["none", "missing", "other shape", "no numbers", "int8", "bf16", "bool", "nan", "scalar"]),
    more=st.sampled_from([None, "", "\x1b[2J", "a\nb", "x" * 5000]),
)
def test_weights_whose_tensors_are_others_are_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: int, change: str, more: str | None
) -> None:
    tensors = dict(weights())
    key = sorted(tensors)[name % len(tensors)]
    value = tensors.pop(key)
    changed = {
        "none": value, "other shape": value[None], "no numbers": value.new_empty(0), "int8": value.to(torch.int8),
        "bf16": value.to(torch.bfloat16), "bool": value.to(torch.bool), "nan": value * float("nan"),
        "scalar": torch.tensor(1.0),
    }  # fmt: skip
    if change in changed:
        tensors[key] = changed[change]
    if more is not None:
        tensors[more] = torch.ones(2)
    file = tmp_path_factory.getbasetemp() / "tensors.safetensors"
    said = Description(model="distilpose_s", options=OPTIONS, skeleton=COCO).to_metadata()
    file.write_bytes(save(tensors, said))
    used_or_refused(loads(file), file)


def checkpoint(*, as_zip: bool) -> bytes:
    packed = io.BytesIO()
    weights = {"backbone.weight": torch.ones(2, 3), "backbone.bias": torch.ones(2)}
    torch.save({"state_dict": weights, "meta": {"epoch": 3}}, packed, _use_new_zipfile_serialization=as_zip)
    return packed.getvalue()


OPCODES = st.lists(
    st.sampled_from([bytes([op]) for op in b"(.0123FIJKLMNPQRSTUVXabcdeghijlopqrstu]}\x80\x81\x85\x95K"])
)
CHECKPOINTS = [checkpoint(as_zip=True), checkpoint(as_zip=False), pickle.dumps({"a": [1, "b"]}, protocol=2), b"<html>"]


@settings(fuzz, max_examples=100)
@given(content=st.one_of(*[files_like(*CHECKPOINTS)] * 4, OPCODES.map(b"".join), st.binary(max_size=40)))
def test_checkpoints_are_read_or_refused_without_advice_to_run_them(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "official.pth"
    file.write_bytes(content)

    def use() -> None:
        for value in read_official(file).values():
            value.clone()

    used_or_refused(use, file)
    renamed = file.with_suffix(".safetensors")
    renamed.write_bytes(content)
    assert not used_or_refused(loads(renamed), renamed)


PICTURES = [cv2.imencode(suffix, PICTURE)[1].tobytes() for suffix in (".png", ".jpg", ".bmp")]


@fuzz
@given(content=st.one_of(files_like(*PICTURES), st.binary(max_size=40)))
def test_pictures_are_decoded_or_have_one_defect(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "picture.png"
    file.write_bytes(content)
    defect = picture_defect(file, (60, 80))
    assert defect is None or is_printable(defect.message)
