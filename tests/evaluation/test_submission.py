import json
import zipfile

from distilpose.evaluation.submission import submission_name, write_submission

ROWS = [{"image_id": 7, "category_id": 1, "keypoints": [1.5, 2.0, 0.25] * 17, "score": 0.5}]


def test_the_archive_holds_one_file_named_as_coco_wants_it(tmp_path):
    file = write_submission(ROWS, tmp_path, split="test-dev2017", method="all, seed 0")
    assert file.name == "person_keypoints_test-dev2017_all-seed-0_results.zip"
    with zipfile.ZipFile(file) as archive:
        (name,) = archive.namelist()
        assert name == "person_keypoints_test-dev2017_all-seed-0_results.json"
        assert json.loads(archive.read(name)) == ROWS
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_the_same_results_make_the_same_bytes(tmp_path):
    one = write_submission(ROWS, tmp_path, split="val2017", method="a").read_bytes()
    assert write_submission(ROWS, tmp_path, split="val2017", method="a").read_bytes() == one


def test_a_name_stays_a_name():
    assert submission_name("val2017", "../../etc: x") == "person_keypoints_val2017_etc-x_results"
