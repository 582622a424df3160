"""AP of drawn pictures is pycocotools' own of a data set in which those pictures are repeated."""

import json

import numpy as np
import pytest

from distilpose.evaluation.average_precision import AP_METRICS, average_precision, read_truth
from distilpose.evaluation.pck import pck
from distilpose.evaluation.per_picture import per_picture, write_per_picture
from reports.read.per_picture import read_per_picture

ASKED = ("keypoints", "true_keypoints", "visible", "boxes", "skeleton")
SIGMAS = (0.05, 0.1, 0.1)
CATEGORY = {
    "id": 1,
    "name": "person",
    "keypoints": ["head", "left_hand", "right_hand"],
    "skeleton": [[1, 2]],
    "keypoint_sigmas": SIGMAS,
}


def made_up(seed, pictures=30):
    """Annotations and detections of pictures with nobody, several people, crowds, and people without joints."""
    random = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(pictures):
        for _ in range(random.integers(0, 4)):
            side = random.choice([25.0, 60.0, 150.0])
            joints = np.c_[random.uniform(0, 300, (3, 2)), random.integers(0, 3, 3)]
            crowd = int(random.random() < 0.1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [*joints[:, :2].min(0).tolist(), side, side],
                    "area": side * side,
                    "iscrowd": crowd,
                    "num_keypoints": int((joints[:, 2] > 0).sum()),
                    "keypoints": joints.ravel().tolist(),
                }
            )
            for _ in range(random.integers(0, 3)):
                off = random.normal(0, side * random.choice([0.01, 0.05, 0.3]), (3, 2))
                guess = np.c_[joints[:, :2] + off, np.ones(3)]
                results.append(row(image, guess, random.random()))
        for _ in range(random.integers(0, 30) if random.random() < 0.1 else 1):
            results.append(row(image, np.c_[random.uniform(0, 300, (3, 2)), np.ones(3)], random.random()))
    return annotations, results


def row(image, keypoints, score):
    return {"image_id": image, "category_id": 1, "keypoints": np.ravel(keypoints).tolist(), "score": float(score)}


def truth_of(tmp_path, annotations, images):
    content = {
        "images": [{"id": image, "file_name": f"{image}.jpg", "width": 300, "height": 300} for image in images],
        "annotations": annotations,
        "categories": [CATEGORY],
    }
    file = tmp_path / "val.json"
    file.write_text(json.dumps(content))
    return read_truth(file, SIGMAS)


def repeated(annotations, results, draw):
    """The data set in which each picture is there as often as the draw says, the copies under ids of their own."""
    copies = [(image, copy) for image, times in enumerate(draw) for copy in range(times)]
    ids = {pair: n for n, pair in enumerate(copies)}
    more_annotations = [
        {**one, "image_id": ids[one["image_id"], copy]}
        for image, copy in copies
        for one in annotations
        if one["image_id"] == image
    ]
    more_results = [
        {**one, "image_id": ids[image, copy]} for image, copy in copies for one in results if one["image_id"] == image
    ]
    return [{**one, "id": n + 1} for n, one in enumerate(more_annotations)], more_results, len(copies)


@pytest.mark.parametrize("seed", range(4))
def test_every_metric_of_every_draw_is_that_of_pycocotools(tmp_path, seed):
    annotations, results = made_up(seed)
    write_per_picture(tmp_path / "p.npz", per_picture(truth_of(tmp_path, annotations, range(30)), results))
    draws = np.random.default_rng(seed).multinomial(30, np.full(30, 1 / 30), size=12).astype(np.int32)
    draws[0] = 1
    found = read_per_picture(tmp_path / "p.npz").average_precision(draws)
    for n, draw in enumerate(draws):
        more_annotations, more_results, pictures = repeated(annotations, results, draw)
        expected = average_precision(truth_of(tmp_path, more_annotations, range(pictures)), more_results)
        assert {name: found[name][n] for name in AP_METRICS} == pytest.approx(
            {name: expected.get(name, np.nan) for name in AP_METRICS}, abs=1e-12, nan_ok=True
        )


def test_a_run_that_found_nobody_has_an_ap_of_0(tmp_path):
    annotations, _ = made_up(0)
    write_per_picture(tmp_path / "p.npz", per_picture(truth_of(tmp_path, annotations, range(30)), []))
    assert read_per_picture(tmp_path / "p.npz").metric("AP", np.ones((1, 30), np.int32)) == [0.0]


def test_pck_of_drawn_pictures_is_the_share_over_their_joints(tmp_path):
    random = np.random.default_rng(0)
    images = np.repeat(np.arange(30), 2)
    annotations, _ = made_up(0)
    given = {
        "keypoints": random.normal(0, 10, (60, 3, 2)),
        "true_keypoints": np.zeros((60, 3, 2)),
        "visible": random.integers(0, 2, (60, 3)),
        "boxes": np.full((60, 4), 50.0),
        "skeleton": None,
        "image_ids": images,
    }
    arrays = per_picture(truth_of(tmp_path, annotations, range(30)), [], given)
    write_per_picture(tmp_path / "p.npz", arrays)
    draw = random.multinomial(30, np.full(30, 1 / 30)).astype(np.int32)
    people = np.repeat(np.arange(60), draw[images])
    expected = pck(
        **{name: value if value is None else value[people] for name, value in given.items() if name in ASKED}
    )
    found = read_per_picture(tmp_path / "p.npz").metric("PCK@0.2", draw[None])
    assert found == pytest.approx([expected])


def test_a_file_of_something_else_is_refused_by_name(tmp_path):
    file = tmp_path / "per_picture.npz"
    np.savez(file, images=np.arange(3))
    with pytest.raises(ValueError, match=r"per_picture\.npz: must be what"):
        read_per_picture(file)
    file.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"per_picture\.npz: must be what"):
        read_per_picture(file)
