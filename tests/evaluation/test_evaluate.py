import contextlib
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from knowing_models import SIZE, Knowing, batches, write_split
from torch import nn

from distilpose.data.coco import load_pose_data
from distilpose.data.transforms import padded_boxes
from distilpose.evaluation.boxes import detected_people
from distilpose.evaluation.evaluate import evaluate, evaluate_many
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.metrics import AP_METRICS
from distilpose.evaluation.protocol import Protocol
from distilpose.heads.regression import RegressionOutput


@pytest.fixture
def data(tmp_path):
    return write_split(tmp_path / "split")


def score(model, data, **options):
    return evaluate(model, data, input_size=SIZE, **{"batches": batches(data), **options})


@pytest.mark.parametrize("flip_test", [None, FlipTest()])
def test_a_model_that_knows_every_pose_scores_1(data, flip_test):
    evaluation = score(Knowing(data), data, protocol=Protocol(flip_test=flip_test))
    assert evaluation.metrics["AP"] == pytest.approx(1)
    assert evaluation.metrics["PCK@0.2"] == 1
    pcks = {f"PCK@{threshold}{size}" for threshold in (0.1, 0.2) for size in ("", "-torso")}
    assert set(evaluation.metrics) <= {*AP_METRICS, *pcks}
    assert evaluation.metrics["PCK@0.1-torso"] == 1


def test_keypoints_are_the_peoples_in_image_pixels(data):
    found = score(Knowing(data), data).keypoints
    truth = np.stack([person.keypoints for person in data.people])
    labelled = truth[..., 2] > 0
    np.testing.assert_allclose(found[labelled][:, :2], truth[labelled][:, :2], atol=1e-3)
    np.testing.assert_allclose(found[..., 2], np.tile((1 + np.arange(17)) / 20, (6, 1)), atol=1e-6)


def test_a_heatmap_model_is_decoded_and_scored_by_its_maxima(data):
    evaluation = score(Knowing(data, heatmaps=True), data, protocol=Protocol(flip_test=None))
    assert evaluation.metrics["PCK@0.1"] == 1
    assert 0.9 < evaluation.keypoints[..., 2].max() <= 1


def test_the_flip_test_of_heatmaps_moves_a_point_by_an_eighth_of_their_pixel(data):
    alone = score(Knowing(data, heatmaps=True), data, protocol=Protocol(flip_test=None)).keypoints
    merged = score(Knowing(data, heatmaps=True), data).keypoints
    pixel = batches(data)[0].scale[0, 0].item() / (SIZE[0] / 4)
    points = torch.cat([batch.keypoints for batch in batches(data)]) * torch.tensor([SIZE[0] / 4, SIZE[1] / 4])
    inside = ((points > 3) & (points < torch.tensor([SIZE[0] / 4, SIZE[1] / 4]) - 4)).all(-1).numpy()
    moved = (merged - alone)[inside]
    assert np.median(moved[:, 0]) == pytest.approx(pixel / 8, rel=0.02)
    np.testing.assert_allclose(moved[:, 0], pixel / 8, atol=0.1 * pixel)  # the edge cuts some Gaussians
    np.testing.assert_allclose(moved[:, 1], 0, atol=0.05 * pixel)


def test_the_official_flip_shifts_regressed_points_by_half_a_pixel(data):
    pixel = batches(data)[0].scale[0, 0].item() / SIZE[0]
    official = score(Knowing(data), data, protocol=Protocol(flip_test=FlipTest(coordinates="official"))).keypoints
    ours = score(Knowing(data), data).keypoints
    np.testing.assert_allclose(official[..., 0] - ours[..., 0], 0.5 * pixel, atol=1e-3)


def test_a_model_without_scores_scores_1_everywhere(data):
    evaluation = score(Knowing(data, scores=False), data)
    assert (evaluation.keypoints[..., 2] == 1).all()
    assert {row["score"] for row in evaluation.results} == {1.0}


def test_a_worse_model_has_a_lower_ap(data):
    good, bad = (score(Knowing(data, error=error), data).metrics for error in (0.0, 0.05))
    assert bad["AP"] < good["AP"]


def test_several_models_in_one_pass_score_as_each_alone(data):
    models = {"exact": Knowing(data), "off": Knowing(data, error=0.04), "teacher": Knowing(data, heatmaps=True)}
    together = evaluate_many(models, data, input_size=SIZE, batches=iter(batches(data)))
    for name, model in models.items():
        alone = score(model, data)
        assert together[name].metrics == alone.metrics
        np.testing.assert_array_equal(together[name].keypoints, alone.keypoints)


def test_neither_batch_size_nor_order_matters(data):
    one = score(Knowing(data, error=0.04), data)
    other = score(Knowing(data, error=0.04), data, batches=batches(data, 1, [3, 5, 0, 1, 4, 2]))
    assert one.metrics == other.metrics
    assert one.results == other.results


def test_batches_that_leave_people_out_are_refused(data):
    with pytest.raises(ValueError, match="must cover all 6 people of val, got 4"):
        score(Knowing(data), data, batches=batches(data)[:1])


def test_another_kind_of_output_is_refused(data):
    with pytest.raises(ValueError, match="got Tensor"):
        score(nn.Identity(), data, protocol=Protocol(flip_test=None))


def test_models_are_evaluated_in_evaluation_mode_and_put_back(data):
    modes = []

    class Watching(Knowing):
        def forward(self, images, *, attention=False):
            modes.append(self.training)
            return super().forward(images)

    model = Watching(data).train()
    score(model, data)
    assert model.training
    assert modes == [False] * 4  # two batches and their mirror images


def test_models_run_inside_the_precision_context(data):
    entered = []

    @contextlib.contextmanager
    def context():
        entered.append(True)
        yield

    score(Knowing(data), data, precision_context=context)
    assert len(entered) == 2


def test_predictions_that_are_no_numbers_are_misses_and_told(data, caplog):
    class Broken(Knowing):
        def forward(self, images, *, attention=False):
            output = super().forward(images)
            return output._replace(keypoints=torch.full_like(output.keypoints, float("nan")))

    with caplog.at_level(logging.WARNING):
        evaluation = score(Broken(data), data)
    assert evaluation.metrics["AP"] == 0
    assert evaluation.metrics["PCK@0.2"] == 0
    assert "102 of 102 predicted joints are not finite" in caplog.text
    assert np.isfinite(evaluation.keypoints).all()


def test_results_can_be_written_as_json(data):
    rows = json.loads(json.dumps(score(Knowing(data), data).results))
    assert len(rows) == 6
    assert len(rows[0]["keypoints"]) == 51


def detections(tmp_path, data, **change):
    rows = [
        {"image_id": person.image_id, "category_id": 1, "bbox": list(person.bbox), "score": 0.5, **change}
        for person in data.people
    ]
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(rows))
    return file


def test_a_detectors_boxes_and_scores_take_the_place_of_the_annotated(tmp_path, data):
    boxes = detections(tmp_path, data)
    truth = score(Knowing(data), data)
    evaluation = score(Knowing(data), data, boxes=boxes)
    assert evaluation.metrics["AP"] == truth.metrics["AP"]
    assert "PCK@0.2" not in evaluation.metrics
    assert [row["score"] for row in evaluation.results] == pytest.approx([r["score"] / 2 for r in truth.results])


def test_the_same_pose_found_in_two_boxes_counts_once(tmp_path, data):
    boxes = detections(tmp_path, data)
    twice = json.loads(boxes.read_text()) * 2
    boxes.write_text(json.dumps(twice))
    doubled = [b._replace(index=b.index + offset) for offset in (0, 6) for b in batches(data)]
    evaluation = score(Knowing(data), data, boxes=boxes, batches=doubled)
    assert len(evaluation.keypoints) == 12
    assert len(evaluation.results) == 6


def test_boxes_of_another_split_are_refused(tmp_path, data):
    with pytest.raises(ValueError, match=r"image_id must be one of val\.json, got 77; the boxes may belong to another"):
        score(Knowing(data), data, boxes=detections(tmp_path, data, image_id=77))


def test_boxes_without_a_score_are_refused(tmp_path, data):
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps([{"image_id": 0, "category_id": 1, "bbox": [0, 0, 9, 9]}]))
    with pytest.raises(ValueError, match=r"\[0\]: score must be given"):
        score(Knowing(data), data, boxes=file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", r"\[0\]: must be an object with image_id and bbox, got 1"),
        ("{}", "must be a list of boxes"),
        ("hello", "must be JSON"),
        ("", "must be JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('[{"image_id": [1], "category_id": 1, "bbox": [1, 1, 20, 30], "score": 1}]', r"\[0\]: image_id must be"),
        ('[{"image_id": 1, "category_id": 1, "bbox": ["a", 1, 20, 30], "score": 1}]', r"\[0\]: bbox must be"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1e999, 1, 20, 30], "score": 1}]', r"\[0\]: bbox must be"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 30], "score": NaN}]', r"\[0\]: score must be"),
    ],
)
def test_a_malformed_file_of_boxes_is_refused_by_its_name(tmp_path, data, content, said):
    file = tmp_path / "boxes.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=rf"^\S*boxes\.json: .*{said}"):
        score(Knowing(data), data, boxes=file)


def test_a_file_without_usable_boxes_is_refused(tmp_path, data):
    with pytest.raises(ValueError, match="at least one box of category 1"):
        score(Knowing(data), data, boxes=detections(tmp_path, data, bbox=[5, 5, 0, 10]))


def test_detected_boxes_give_the_authors_centres_and_sizes(parity_dir, coco_mini_dir):
    official = torch.load(parity_dir / "fixtures" / "decode_eval.pt", weights_only=True)["eval_outputs"]
    data = load_pose_data(coco_mini_dir, "val2017")
    file = coco_mini_dir / "person_detection_results" / "COCO_val2017_detections_AP_H_56_person.json"
    found, scores = detected_people(data, file)
    ours = padded_boxes(np.array([person.bbox for person in found.people]), (192, 256))
    images = np.array([person.image_id for person in found.people])
    boxes = np.column_stack([images, ours.center, ours.size, ours.size.prod(1), scores])
    for one in official:
        ((cx, cy, scale_x, scale_y, area, score),) = one["boxes"].tolist()
        image = int(Path(one["image_paths"][0]).stem)
        near = np.abs(boxes - (image, cx, cy, 200 * scale_x, 200 * scale_y, area, score))
        assert (near <= (0, 1e-3, 1e-3, 1e-3, 1e-3, 1e-6 * area, 1e-6)).all(1).sum() == 1
    assert len(official) == 118


def test_a_detected_box_is_used_as_it_is_also_outside_of_its_picture(tmp_path, data):
    found, _ = detected_people(data, detections(tmp_path, data, bbox=[-5.5, 700, 40.25, 80]))
    assert {person.bbox for person in found.people} == {(-5.5, 700.0, 40.25, 80.0)}


def test_real_people_are_read_cropped_and_scored(coco_mini_dir):
    class Middle(nn.Module):
        def forward(self, images, *, attention=False):
            return RegressionOutput(torch.full((len(images), 17, 2), 0.5))

    data = load_pose_data(coco_mini_dir, "val2017")
    evaluation = evaluate(Middle(), data, input_size=(24, 32), batch_size=32, protocol=Protocol(flip_test=None))
    centre = data.people[0].bbox[0] + data.people[0].bbox[2] / 2
    assert evaluation.keypoints.shape == (len(data.people), 17, 3)
    assert evaluation.keypoints[0, 0, 0] == pytest.approx(centre, abs=2)
    assert evaluation.metrics["AP"] < 0.1
    boxes = coco_mini_dir / "person_detection_results" / "COCO_val2017_detections_AP_H_56_person.json"
    assert len(evaluate(Middle(), data, input_size=(24, 32), boxes=boxes).keypoints) == 278
