"""faster-coco-eval against pycocotools, the reference: the same ten numbers."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilpose.data.skeleton import COCO, coco_category
from distilpose.evaluation.average_precision import average_precision, read_truth
from distilpose.evaluation.metrics import AP_METRICS

pytest.importorskip("faster_coco_eval", reason="needs the extra fast-eval")


def made_up(seed, *, images=4, people=3, guesses=4, crowd=0.2, unseen=0.2, spread=0.1, scores=None):
    """A COCO-format data set and results for it: some crowds, some people without a visible joint, near misses."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(images):
        for _ in range(int(rng.integers(0, people + 1))):
            size = rng.uniform(15, 250, 2)
            joints = rng.uniform(0, 1, (17, 2)) * size + rng.uniform(0, 200, 2)
            seen = np.zeros(17) if rng.random() < unseen else rng.integers(0, 3, 17)
            box = [*joints.min(0).tolist(), *np.ptp(joints, axis=0).tolist()]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "bbox": box,
                 "area": float(size.prod() * 0.5), "iscrowd": int(rng.random() < crowd),
                 "keypoints": np.column_stack([joints, seen]).ravel().tolist(), "num_keypoints": int((seen > 0).sum())}
            )  # fmt: skip
            for _ in range(int(rng.integers(0, guesses + 1))):
                moved = joints + rng.normal(0, spread * size.mean(), (17, 2))
                score = float(rng.choice(scores)) if scores else float(rng.random())
                flat = np.column_stack([moved, np.ones(17)]).ravel().tolist()
                results.append({"image_id": image, "category_id": 1, "keypoints": flat, "score": score})
    listed = [{"id": image, "file_name": f"{image}.jpg", "width": 480, "height": 480} for image in range(images)]
    return {"images": listed, "annotations": annotations, "categories": [coco_category()]}, results


def both(folder, content, results):
    file = folder / "val.json"
    file.write_text(json.dumps(content))
    truth = read_truth(file, COCO.sigmas)
    return (average_precision(truth, results, evaluator=evaluator) for evaluator in ("pycocotools", "faster"))


def assert_same(folder, content, results):
    reference, faster = both(folder, content, results)
    assert faster == pytest.approx(reference, abs=1e-12)
    return reference


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), scores=st.sampled_from([None, [0.5], [0.1, 0.9]]), spread=st.floats(0.001, 0.3))
def test_both_give_the_same_numbers(tmp_path_factory, seed, scores, spread):
    assert_same(tmp_path_factory.getbasetemp(), *made_up(seed, scores=scores, spread=spread))


@pytest.mark.parametrize(
    "shape",
    [
        {"crowd": 1.0},
        {"unseen": 1.0},
        {"crowd": 1.0, "unseen": 1.0},
        {"scores": [0.7]},
        {"spread": 0.0},
        {"spread": 0.0, "scores": [0.7], "guesses": 30},  # ties everywhere, and more guesses than the 20 that count
        {"people": 0},
        {"guesses": 0},
        {"images": 60, "people": 1},
    ],
    ids=str,
)
def test_both_agree_where_it_is_hard(tmp_path, shape):
    for seed in range(3):
        assert_same(tmp_path, *made_up(seed, **shape))


def test_both_agree_between_exact_and_far_off(tmp_path):
    metrics = assert_same(tmp_path, *made_up(1, images=30, crowd=0.1, unseen=0.1, spread=0.04))
    assert set(metrics) == set(AP_METRICS)
    assert 0.05 < metrics["AP"] < 0.95


def test_both_leave_their_input_as_it_was(tmp_path):
    content, results = made_up(3, images=2)
    before = json.dumps(results)
    list(both(tmp_path, content, results))
    assert json.dumps(results) == before


def test_a_missing_evaluator_is_told_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(ValueError, match=r"pip install 'distilpose\[fast-eval\]'"):
        list(both(tmp_path, *made_up(0)))
