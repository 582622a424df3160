import json
from pathlib import Path

import numpy as np
import pytest
import torch

from distilpose.evaluation.average_precision import average_precision, read_truth
from distilpose.evaluation.metrics import AP_METRICS
from distilpose.evaluation.oks import rescore, suppress

SIGMAS = (0.05, 0.1, 0.1)


def annotation_file(tmp_path, people, **extra):
    """A data set of one picture a person, 3 joints; annotation ids start at 0."""
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 200} for n in range(len(people))],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7, "bbox": box, "keypoints": keypoints, **extra}
            for n, (box, keypoints) in enumerate(people)
        ],
        "categories": [
            {"id": 3, "name": "dog"},
            {
                "id": 7,
                "name": "person",
                "keypoints": ["head", "left_hand", "right_hand"],
                "skeleton": [[1, 2], [1, 3]],
                "keypoint_sigmas": list(SIGMAS),
            },
        ],
    }
    file = tmp_path / "val.json"
    file.write_text(json.dumps(content))
    return file


PEOPLE = [([10, 10, 100, 120], [20, 20, 2, 60, 60, 2, 90, 100, 1]), ([0, 0, 50, 60], [5, 6, 2, 30, 40, 2, 0, 0, 0])]


def result(image_id, keypoints, score=0.9):
    return {"image_id": image_id, "category_id": 7, "keypoints": keypoints, "score": score}


def test_rescoring_suppression_and_ap_agree_with_the_authors(parity_dir, coco_mini_dir):
    official = torch.load(parity_dir / "fixtures" / "decode_eval.pt", weights_only=True)
    outputs = official["eval_outputs"]
    keypoints = np.concatenate([output["preds"].numpy() for output in outputs])
    boxes = np.concatenate([output["boxes"].numpy() for output in outputs])
    image_ids = np.array([int(Path(output["image_paths"][0]).stem) for output in outputs])
    sigmas = official["sigmas"].tolist()
    scores = rescore(boxes[:, 5], keypoints[..., 2])
    kept = []
    for image_id in np.unique(image_ids):
        here = np.flatnonzero(image_ids == image_id)
        kept += here[suppress(keypoints[here, :, :2], boxes[here, 4], scores[here], sigmas)].tolist()

    written = sorted((row["image_id"], row["score"]) for row in official["eval_written"])
    ours = sorted((int(image_ids[n]), float(scores[n])) for n in kept)
    assert [image_id for image_id, _ in ours] == [image_id for image_id, _ in written]
    assert [score for _, score in ours] == pytest.approx([score for _, score in written], abs=1e-6)

    truth = read_truth(coco_mini_dir / "annotations" / "person_keypoints_val2017.json", sigmas, set(image_ids.tolist()))
    rows = [{**result(int(image_ids[n]), keypoints[n].ravel().tolist(), scores[n]), "category_id": 1} for n in kept]
    metrics = average_precision(truth, rows)
    assert list(metrics.values()) == pytest.approx(list(official["eval_result"].values()), abs=1e-9)


def test_perfect_points_have_ap_1_also_for_annotation_0(tmp_path):
    truth = read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS)
    metrics = average_precision(truth, [result(n, keypoints) for n, (_, keypoints) in enumerate(PEOPLE)])
    assert metrics["AP"] == pytest.approx(1)
    assert metrics["AR"] == pytest.approx(1)
    assert set(metrics) <= set(AP_METRICS)


def test_no_results_have_ap_0(tmp_path):
    assert average_precision(read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS), [])["AP"] == 0


def test_a_size_of_people_that_is_not_there_has_no_metric(tmp_path):
    truth = read_truth(annotation_file(tmp_path, PEOPLE, area=50_000), SIGMAS)
    metrics = average_precision(truth, [result(0, PEOPLE[0][1])])
    assert "APM" not in metrics
    assert metrics["ARL"] == pytest.approx(0.5)


def test_the_sigmas_decide_how_near_is_near(tmp_path):
    file = annotation_file(tmp_path, PEOPLE)
    rows = [result(n, [v + 3 * (i % 3 == 0) for i, v in enumerate(kpts)]) for n, (_, kpts) in enumerate(PEOPLE)]
    strict, lenient = (average_precision(read_truth(file, [s] * 3), rows)["AP"] for s in (0.02, 0.3))
    assert strict < lenient


def test_only_the_wanted_images_are_scored(tmp_path):
    truth = read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS, image_ids=[1])
    assert average_precision(truth, [result(1, PEOPLE[1][1])])["AP"] == pytest.approx(1)


def test_a_crowd_costs_nothing(tmp_path):
    truth = read_truth(annotation_file(tmp_path, PEOPLE, iscrowd=1), SIGMAS)
    assert average_precision(truth, []) == {}


def test_results_are_left_as_they_were(tmp_path):
    row = result(0, list(PEOPLE[0][1]))
    before = dict(row)
    average_precision(read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS), [row])
    assert row == before


def test_results_of_an_unknown_image_are_refused(tmp_path):
    truth = read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS)
    with pytest.raises(ValueError, match=r"image_id must be one of the annotation file's, got \[99\]"):
        average_precision(truth, [result(99, PEOPLE[0][1])])


def test_another_number_of_joints_than_sigmas_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"val\.json: annotations: keypoints must be of 5 joints, .* got 3"):
        read_truth(annotation_file(tmp_path, PEOPLE), [0.1] * 5)


def test_pycocotools_prints_nothing(tmp_path, capsys):
    average_precision(read_truth(annotation_file(tmp_path, PEOPLE), SIGMAS), [result(0, PEOPLE[0][1])])
    assert capsys.readouterr().out == ""
