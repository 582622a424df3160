"""Every choice of the protocol changes what it says it does, and nothing else."""

import json

import numpy as np
import pytest
from knowing_models import SIZE, Knowing, batches, write_split

from distilpose.data.unlabelled import load_pictures
from distilpose.evaluation.evaluate import evaluate
from distilpose.evaluation.protocol import Protocol


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("split"))


def score(model, data, protocol, **options):
    return evaluate(model, data, input_size=SIZE, protocol=protocol, **{"batches": batches(data), **options})


def test_decodings_of_heatmaps_differ_by_their_refinement_alone(data):
    pixel = batches(data)[0].scale[0].numpy() / (SIZE[0] / 4, SIZE[1] / 4)
    found = {
        name: score(Knowing(data, heatmaps=True), data, Protocol(flip_test=None, refinement=name)).keypoints
        for name in ("none", "quarter", "dark")
    }
    truth = np.stack([person.keypoints for person in data.people])
    seen = truth[..., 2] > 0
    off = {name: np.abs(points - truth)[..., :2][seen].mean() / pixel.mean() for name, points in found.items()}
    assert off["dark"] < off["quarter"] < off["none"] < 0.3
    for points in found.values():
        np.testing.assert_array_equal(points[..., 2], found["none"][..., 2])


def test_without_rescoring_a_person_scores_as_its_box(data):
    kept = score(Knowing(data), data, Protocol(rescore_above=None))
    assert {row["score"] for row in kept.results} == {1.0}
    assert {row["score"] for row in score(Knowing(data), data, Protocol()).results} != {1.0}


def test_without_suppression_equal_poses_all_stay(tmp_path, data):
    file = tmp_path / "boxes.json"
    box = {"image_id": 0, "category_id": 1, "bbox": list(data.people[0].bbox), "score": 0.5}
    file.write_text(json.dumps([box, box]))
    twice = [batches(data, 1)[0]._replace(index=batches(data, 6)[0].index[row : row + 1]) for row in (0, 1)]
    for protocol, poses in ((Protocol(), 1), (Protocol(suppress_above=None), 2)):
        assert len(score(Knowing(data), data, protocol, boxes=file, batches=twice).results) == poses


def test_either_evaluator_counts_the_same(data):
    pytest.importorskip("faster_coco_eval", reason="needs the extra fast-eval")
    ours, faster = (
        score(Knowing(data, error=0.04), data, Protocol(evaluator=name)) for name in ("pycocotools", "faster")
    )
    assert 0 < ours.metrics["AP"] < 1
    assert faster.metrics == pytest.approx(ours.metrics, abs=1e-12)


@pytest.mark.parametrize(
    ("field", "known"), [("refinement", "none, quarter, dark"), ("evaluator", "pycocotools, faster")]
)
def test_unknown_names_are_refused_with_the_known_ones(field, known):
    with pytest.raises(ValueError, match=f"{field}: must be one of {known}, got 'other'"):
        Protocol(**{field: "other"})


def unlabelled(root, data):
    """The split's pictures as COCO lists those of its test sets: classes without keypoints, and no people."""
    content = json.loads(data.annotation_file.read_text())
    people = [{"id": 2, "name": "dog"}, {"id": 1, "name": "person"}]
    (root / "annotations").mkdir()
    (root / "test2017").mkdir()
    file = root / "annotations" / "image_info_test-dev2017.json"
    file.write_text(json.dumps({"images": content["images"], "categories": people}))
    return load_pictures(root, "test-dev2017")


def test_unlabelled_people_have_results_but_no_metrics(tmp_path, data):
    pictures = unlabelled(tmp_path, data)
    file = tmp_path / "boxes.json"
    rows = [{"image_id": p.image_id, "category_id": 1, "bbox": list(p.bbox), "score": 0.5} for p in data.people]
    file.write_text(json.dumps(rows))
    found = score(Knowing(data), pictures, Protocol(), boxes=file, batches=batches(data))
    labelled = score(Knowing(data), data, Protocol(), boxes=file)
    assert found.metrics == {}
    assert found.results == labelled.results
