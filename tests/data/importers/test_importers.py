"""Every importer on a source in its documented format, and on genuine samples where they are at hand."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import made_up_sources as made_up
import numpy as np
import pytest
from made_up_sources import NAMELESS, PEOPLE, SOURCES
from scipy.io import savemat
from typer.testing import CliRunner

from distilpose.data.check import check_data
from distilpose.data.coco import load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.importers.gathering import Gathering
from distilpose.data.importers.table import IMPORTERS, find_sources
from distilpose.data.library import find_skeleton
from distilpose.integrations.mmpose_stand_ins import stand_ins
from experiments.cli.main import app


def read(kind: str, source: Path, skeleton: str | None = None) -> dict[str, Gathering]:
    joints = find_skeleton(skeleton or next(iter(IMPORTERS[kind].skeletons), "lsp"))
    one = IMPORTERS[kind]
    return {split: one.reader(split)(file, folder, joints) for split, file, folder in find_sources(kind, source)}


def imported(kind: str, folder: Path, skeleton: str | None = None) -> Path:
    """The folder of a made-up source, imported."""
    SOURCES[kind](folder / "source")
    for split, found in read(kind, folder / "source", skeleton).items():
        found.write(folder / "out", split)
    return folder / "out"


def change(file: Path, by: Callable[[Any], Any]) -> None:
    parsed = json.loads(file.read_text())
    by(parsed)
    file.write_text(json.dumps(parsed))


def test_there_is_a_source_for_every_importer() -> None:
    assert SOURCES.keys() == IMPORTERS.keys()


@pytest.mark.parametrize("kind", IMPORTERS)
def test_everybody_of_a_sound_source_is_kept_and_the_outcome_is_sound(kind: str, tmp_path: Path) -> None:
    out = imported(kind, tmp_path)
    reports = check_data(out)
    assert [line for report in reports for line in report.lines() if not report.ok] == []
    assert {report.split for report in reports} <= {"train", "val", "trainval", "test"}
    assert [report.stats and report.stats.people for report in reports] == [PEOPLE] * len(reports)
    for report in reports:
        assert (out / "images" / report.split).is_symlink()


@pytest.mark.parametrize(
    ("kind", "skeleton", "joints"),
    [("halpe", "halpe136", 136), ("halpe", "halpe26", 26), ("humanart", "humanart21", 21), ("wholebody", None, 133)],
)
def test_the_skeleton_that_is_asked_for_is_read(kind: str, skeleton: str | None, joints: int, tmp_path: Path) -> None:
    data = load_pose_data(imported(kind, tmp_path, skeleton), "train")
    assert {person.keypoints.shape for person in data.people} == {(joints, 3)}
    assert dict(data.skeleton.parts) == dict(find_skeleton(skeleton or "coco_wholebody").parts)


def test_a_whole_body_is_one_list_and_any_visibility_above_0_is_a_label(tmp_path: Path) -> None:
    person = load_pose_data(imported("wholebody", tmp_path), "train").people[0]
    expected = made_up.joints(133, np.random.default_rng(2))
    np.testing.assert_array_equal(person.keypoints[:, :2], expected[:, :2])
    assert person.keypoints[:, 2].tolist() == [2] * 112 + [1] + [2] * 20


def test_what_metrics_need_is_kept(tmp_path: Path) -> None:
    crowd = load_pose_data(imported("crowdpose", tmp_path / "crowd"), "val")
    assert {person.crowd_index for person in crowd.people} == {0.33}
    animals = load_pose_data(imported("ap10k", tmp_path / "animals"), "val")
    assert [person.category_id for person in animals.people] == [1, 2, 3, 1, 2, 3]
    assert animals.categories[54] == "animal 54"
    track = load_pose_data(imported("posetrack18", tmp_path / "track"), "val")
    assert [person.head_size for person in track.people] == pytest.approx([0.6 * 15] * PEOPLE)


def test_mpii_counts_pixels_from_0_and_crops_as_published(tmp_path: Path) -> None:
    out = imported("mpii", tmp_path)
    source = json.loads((tmp_path / "source" / "annotations" / "mpii_val.json").read_text())
    for person, row in zip(load_pose_data(out, "val").people, source, strict=True):
        np.testing.assert_array_equal(person.keypoints[1:, :2] + 1, row["joints"][1:])
        assert person.keypoints[0].tolist() == [0, 0, 0]
        x, y, w, h = person.bbox
        assert (x + w / 2, y + h / 2, w, h) == pytest.approx((40, 43 + 15 * 0.4, 80, 80))
        assert person.head_size == pytest.approx(0.6 * 15)
    assert {person.head_size for person in load_pose_data(out, "train").people} == {None}


@pytest.mark.filterwarnings("ignore")
def test_mpii_is_read_as_mmpose_reads_it(tmp_path: Path) -> None:
    if find_spec("mmpose") is None:
        pytest.skip("needs the extra mmpose")
    with stand_ins():
        from mmpose.datasets.datasets.body import MpiiDataset

    out = imported("mpii", tmp_path)
    annotations = tmp_path / "source" / "annotations"
    theirs = MpiiDataset(
        ann_file=str(annotations / "mpii_val.json"),
        headbox_file=str(annotations / "mpii_gt_val.mat"),
        data_prefix={"img": str(tmp_path / "source" / "images")},
        test_mode=True,
    )
    for number, person in enumerate(load_pose_data(out, "val").people):
        row = theirs.get_data_info(number)
        x, y, w, h = person.bbox
        np.testing.assert_allclose([[x + w / 2, y + h / 2]], row["bbox_center"], atol=1e-4)
        np.testing.assert_allclose([[w, h]], row["bbox_scale"], rtol=1e-6)
        np.testing.assert_allclose(person.area, row["area"], rtol=1e-6)
        np.testing.assert_allclose([[person.head_size]], row["head_size"], rtol=1e-6)


def test_the_published_mat_of_mpii_accounts_for_everybody(tmp_path: Path) -> None:
    made_up.mpii_mat(tmp_path)
    found = read("mpii", tmp_path)["train"]
    assert found.table() == [
        ("kept", "people", 3),
        ("dropped", "no centre or scale, by which it would be cropped", 1),
        ("dropped", "of the test pictures, whose joints are not published", 2),
    ]
    first, second, third = found.annotations
    assert [row["num_keypoints"] for row in found.annotations] == [3, 3, 3]
    assert (first["keypoints"][:3], second["keypoints"][:3], third["keypoints"][2]) == ([19, 29, 2], [19, 29, 1], 1)
    assert first["head_size"] == pytest.approx(0.6 * 15)


def test_ochumans_own_file_holds_val_and_test_of_whom_its_evaluation_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distilpose.data.importers.ochuman.VAL_PICTURES", 2)
    made_up.ochuman_own(tmp_path)
    found = read("ochuman", tmp_path)
    assert found["val"].table() == [
        ("kept", "people", 2),
        ("dropped", "no joints or no mask, so not in its evaluation", 3),
    ]
    assert found["test"].table() == [("kept", "people", 1)]
    assert [image["file_name"] for image in found["val"].images] == ["000002.jpg", "000005.jpg", "000007.jpg"]
    row = found["val"].annotations[0]
    assert (row["bbox"], row["area"], row["num_keypoints"]) == ([8, 10, 64, 76], 64 * 76, 16)
    assert row["keypoints"][:12] == [0, 0, 0, 21, 31, 2, 22, 32, 2, 23, 33, 1]


def test_exports_of_tools_find_joints_by_their_names(tmp_path: Path) -> None:
    cvat = load_pose_data(imported("cvat", tmp_path / "xml"), "train")
    assert {tuple(person.keypoints[:, 2]) for person in cvat.people} == {(1,) * 12 + (0, 1)}
    made_up.cvat_coco(tmp_path / "coco")
    (row, *_) = read("cvat", tmp_path / "coco")["train"].annotations
    assert row["keypoints"][-3:] == made_up.joints(14, np.random.default_rng(2))[0].tolist()
    studio = load_pose_data(imported("labelstudio", tmp_path / "studio"), "train")
    expected = made_up.joints(14, np.random.default_rng(6))
    np.testing.assert_allclose(studio.people[0].keypoints, expected, atol=1e-3)
    yolo = load_pose_data(imported("yolo", tmp_path / "yolo"), "train")
    np.testing.assert_allclose(yolo.people[0].keypoints, made_up.joints(14, np.random.default_rng(7)), atol=1e-3)


def test_whoever_is_dropped_is_counted_with_the_reason(tmp_path: Path) -> None:
    made_up.crowdpose(tmp_path)

    def spoil(parsed: dict[str, Any]) -> None:
        lost, outside, unlabelled, crowd, point, _ = parsed["annotations"]
        lost["image_id"] = parsed["images"][0]["id"]
        outside["bbox"] = [500, 500, 10, 10]
        unlabelled["keypoints"] = [3, 4, 0] * 14
        crowd["iscrowd"] = 1
        point.update(keypoints=[5, 5, 2, *[0] * 39], bbox=None)

    change(tmp_path / "json" / "crowdpose_val.json", spoil)
    (tmp_path / "images" / "val00000.jpg").unlink()
    found = read("crowdpose", tmp_path)["val"]
    assert dict(found.kept) == {
        "people": 1, "crowds, to be ignored": 1, "people without a labelled joint, to be ignored": 1,
    }  # fmt: skip
    assert dict(found.dropped) == {
        "its picture is not there": 1, "no box inside its picture": 1, "too few joints for a box": 1,
    }  # fmt: skip
    assert sum(count for *_, count in found.table()) == PEOPLE
    found.write(tmp_path / "out", "val")
    assert check_data(tmp_path / "out")[0].ok


COCO_FORMED = [kind for kind in IMPORTERS if kind not in ("mpii", "lspet", *NAMELESS)]


@pytest.mark.parametrize("kind", COCO_FORMED)
def test_a_faulty_file_of_cocos_format_is_refused_by_file_field_and_record(kind: str, tmp_path: Path) -> None:
    SOURCES[kind](tmp_path)
    _, file, _ = next(find_sources(kind, tmp_path))
    file = next(file.glob("*.json")) if file.is_dir() else file
    record = r"annotations\[1\] \(id \d+\): "
    for by, said in (
        (lambda p: p["annotations"][1].update(keypoints=[1, 2]), record + "keypoints: .* got "),
        (lambda p: p["annotations"][1].update(keypoints=[[], [], []]), record + "keypoints"),
        (lambda p: p["annotations"][1].update(image_id="a"), record + "image_id: .*got .a."),
        (lambda p: p["annotations"][1].update(bbox=[1, 2, 3]), record + r"bbox: .*got \[1, 2, 3\]"),
        (lambda p: p["images"][0].update(width=None), r"images\[0\]: width, height: .*got \[null"),
        (lambda p: p["images"][0].update(file_name="../../a.jpg"), r"images\[0\]: file_name: .*got "),
        (lambda p: p.update(images=5), "images: a list is needed"),
        (lambda p: p.clear(), "a list is needed"),
    ):
        sound = file.read_text()
        change(file, by)
        if kind == "humanart":
            change(file, lambda p: [row.update(keypoints_21=[]) for row in p.get("annotations", [])])
        with pytest.raises(DataError, match=said) as caught:
            read(kind, tmp_path)
        assert str(caught.value).startswith(str(file if kind != "posetrack18" else file.parent))
        file.write_text(sound)
    file.write_text('{"images": [')
    with pytest.raises(DataError, match="must be JSON"):
        read(kind, tmp_path)


@pytest.mark.parametrize(
    ("kind", "file", "old", "new", "said"),
    [
        ("mpii", "annotations/mpii_train.json", '"joints_vis"', '"joints_viz"', r"people\[0\].joints, joints_vis"),
        ("mpii", "annotations/mpii_train.json", '"image"', '"picture"', r"people\[0\]: file_name: .*got null"),
        ("ochuman_own", "ochuman.json", '"nose"', '"nase"', r"ochuman\.json: keypoint_names: all of nose, .*got"),
        ("ochuman_own", "ochuman.json", "[8, 10, 72, 86]", "[8]", r"images\[0\]: annotations\[0\]: bbox: the corners"),
        ("ochuman_own", "ochuman.json", "[20, 30, 0, ", "[", r"annotations\[0\]: keypoints: 57 numbers, .*got 54"),
        ("ochuman_own", "ochuman.json", "[20, 30, 0, ", "[20, 30, 9, ", "visibility must be 0, 1, 2 or 3, got 9"),
        ("ochuman_own", "ochuman.json", "[20, 30, 0, ", "[20, 30, [], ", r"visibility must be 0, 1, 2 or 3, got \[\]"),
        (
            "ochuman_own",
            "ochuman.json",
            '"image_id": 5',
            '"image_id": null',
            r"images\[2\]: image_id: a number or a name",
        ),
        ("ochuman_own", "ochuman.json", '"annotations"', '"people"', r"images\[0\]: annotations: a list is needed"),
        ("mpii", "annotations/mpii_gt_val.mat", "", "no mat", r"mpii_gt_val\.mat: cannot be read as a MATLAB file"),
        ("mpii_mat", "mpii_human_pose_v1_u12_1.mat", "", "no mat", r"u12_1\.mat: cannot be read as a MATLAB file"),
        (
            "cvat_coco",
            "annotations/person_keypoints_default.json",
            '"keypoints": ["',
            '"points": ["',
            "categories: a category",
        ),
        ("lspet", "joints.mat", "", "no mat", r"joints\.mat: cannot be read as a MATLAB file"),
        ("cvat", "annotations.xml", "</image>", "", r"annotations\.xml: must be XML: mismatched tag: line"),
        ("cvat", "annotations.xml", 'label="neck"', 'label="nose"', r"skeleton 1: points nose: joint 'nose'"),
        ("cvat", "annotations.xml", '.00"></points>', 'a"></points>', "could not convert string to float"),
        ("cvat", "annotations.xml", 'width="80"', 'width="x"', "image frame00000.jpg: width: .*got .x."),
        ("labelstudio", "project.json", '"original_width"', '"w"', r"tasks\[0\]: value, original_width"),
        ("labelstudio", "project.json", '["head_top"]', '["hat"]', "joint 'hat': there is no such joint"),
        ("labelstudio", "project.json", '"data"', '"date"', r"tasks\[0\]: data\.image"),
        ("yolo", "labels/val/val00003.txt", "0.5", "half", r"val00003\.txt:1: numbers are needed"),
        ("yolo", "labels/val/val00003.txt", "0.5 ", "", r"val00003\.txt:1: a class, 4 numbers of the box .*got"),
    ],
)
def test_a_faulty_file_is_refused_by_file_field_and_place(
    kind: str, file: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    (SOURCES.get(kind) or getattr(made_up, kind))(tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new) if old else new)
    with pytest.raises(ValueError, match=said):
        read(kind.partition("_")[0], tmp_path)


@pytest.mark.parametrize(
    ("kind", "file", "content", "said"),
    [
        ("mpii", "mpii_human_pose_v1_u12_1.mat", {"RELEASES": 1}, r"u12_1\.mat: RELEASE: is absent"),
        (
            "mpii",
            "mpii_human_pose_v1_u12_1.mat",
            {"RELEASE": {"img_train": 1}},
            "RELEASE: must be as MPII publishes it",
        ),
        (
            "lspet",
            "joints.mat",
            {"joints": np.zeros((3, 14, 2))},
            r"joints: 14 x 3 x people are needed, got \[3, 14, 2\]",
        ),
    ],
)
def test_a_mat_of_another_kind_is_refused_by_its_variable(
    kind: str, file: str, content: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    savemat(tmp_path / file, content)
    with pytest.raises(DataError, match=said):
        read(kind, tmp_path)


def test_the_command_tells_where_everybody_went_and_overwrites_nothing(tmp_path: Path) -> None:
    made_up.yolo(tmp_path / "source")
    words = ["data", "import", "yolo", str(tmp_path / "source"), str(tmp_path / "out")]
    runner = CliRunner()
    assert "name them with --skeleton" in str(runner.invoke(app, words).exception)
    words += ["--skeleton", "lsp", "--sigmas", "0.05"]
    done = runner.invoke(app, [*words, "--json"])
    assert json.loads(done.stdout) == {
        split: [{"fate": "kept", "what": "people", "people": PEOPLE}] for split in ("train", "val")
    }
    assert load_pose_data(tmp_path / "out", "train").skeleton.sigmas == (0.05,) * 14
    assert "holds a split train already" in str(runner.invoke(app, words).exception)
    words[4] = str(tmp_path / "copied")
    done = runner.invoke(app, [*words, "--copy"])
    assert f"kept{PEOPLE:>13}  people" in done.stdout
    assert not (tmp_path / "copied" / "images" / "val").is_symlink()
    assert all(report.ok for report in check_data(tmp_path / "copied"))
    for wrong, said in ((["crowd"], "did you mean crowdpose"), (["mpii"], "holds no mpii as published; looked for")):
        assert said in str(runner.invoke(app, ["data", "import", *wrong, *words[3:5]]).exception)
    file = str(tmp_path / "source" / "labels")
    assert "say with --split" in str(
        runner.invoke(app, [*words[:3], file + "/train/train00000.txt", *words[4:]]).exception
    )


@pytest.mark.parametrize(
    ("kind", "file", "pictures", "kept", "unlabelled"),
    [
        ("mpii", "mpii/test_mpii.json", "mpii", 5, 0),
        ("crowdpose", "crowdpose/test_crowdpose.json", "crowdpose", 4, 1),
        ("ochuman", "ochuman/test_ochuman.json", "ochuman", 5, 0),
        ("humanart", "humanart/test_humanart.json", "humanart", 4, 0),
        ("ap10k", "ap10k/test_ap10k.json", "ap10k", 2, 0),
        ("halpe", "halpe/test_halpe.json", "coco", 12, 2),
        ("wholebody", "coco/test_coco_wholebody.json", "coco", 12, 2),
        ("posetrack18", "posetrack18/annotations/val", "posetrack18", 14, 0),
        ("aic", "aic/test_aic.json", "aic", 9, 0),
        ("jhmdb", "jhmdb/test_jhmdb_sub1.json", "jhmdb", 3, 0),
    ],
)
def test_a_genuine_sample_is_kept_whole(
    kind: str, file: str, pictures: str, kept: int, unlabelled: int, samples_dir: Path, tmp_path: Path
) -> None:
    skeleton = find_skeleton(IMPORTERS[kind].skeletons[0])
    found = IMPORTERS[kind].reader("val")(samples_dir / file, samples_dir / pictures, skeleton)
    assert (sum(found.kept.values()), found.kept["people"], sum(found.dropped.values())) == (kept + unlabelled, kept, 0)
    found.write(tmp_path, "val")
    (report,) = check_data(tmp_path)
    assert report.lines()[1:] == []
