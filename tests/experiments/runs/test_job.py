from pathlib import Path

import pytest

from experiments.runs.job import Job, read_job
from experiments.runs.store import Store

JOB = Job(
    cohort_id="c0ffee",
    run_ids=("a", "b"),
    sweep="small",
    profile="tiny",
    data_root=Path("data/people"),
    device="cpu",
    threads=2,
)
FULL = Job(
    cohort_id="c0ffee",
    run_ids=("a",),
    sweep="small",
    profile="tiny",
    data_root=Path("data/people"),
    device="cuda:0",
    threads=2,
    workers=3,
    cache=Path("cache"),
    micro_batch=4,
    track=({"kind": "wandb", "mode": "online", "project": "poses"}, {"kind": "tensorboard"}),
    search={"name": "hunt", "prunable": ["a"]},
)


@pytest.mark.parametrize("job", [JOB, FULL], ids=["plain", "full"])
def test_a_job_is_read_as_it_was_written(job: Job, tmp_path: Path) -> None:
    assert read_job(Store(tmp_path).write_job(job.to_json())) == job


def test_a_job_written_by_hand_may_leave_out_what_has_a_default(tmp_path: Path) -> None:
    few = ("cohort_id", "run_ids", "sweep", "profile", "data_root", "device", "threads")
    values = JOB.to_json()
    assert read_job(Store(tmp_path).write_job({name: values[name] for name in few})) == JOB


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[1]", "damaged: Input should be an object"),
        ('{"cohort_id": "c"}', "run_ids"),
        ('{"speed": 1}', "speed"),
        ("{", "damaged"),
    ],
)
def test_a_file_that_is_no_job_is_named(text: str, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rule) as caught:
        read_job(file)
    assert str(file) in str(caught.value)
