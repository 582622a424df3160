"""TensorBoard's files, read by TensorBoard."""

import math

import numpy as np
import pytest
from made_up_runs import PLAN, measure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from experiments.track.replay import replay_sweep
from experiments.track.tensorboard import TensorBoard


def told(store, **options):
    return {done.run_id: done.what for done in replay_sweep(store, PLAN, TensorBoard(), **options)}


def read(run):
    (folder,) = run.path.parent.glob(f"tensorboard/mini.default/*({run.run_id})")
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return reader.Reload()


def check_whole(run, reader=None):
    """Every number, once, in single precision, and every picture by its bytes."""
    reader = reader or read(run)
    rows = run.metrics()
    assert {name for row in rows for name in row.values} <= set(reader.Tags()["scalars"])
    for name in rows[0].values:
        shown = reader.Scalars(name)
        assert [(event.step, event.wall_time) for event in shown] == [(row.step, row.time) for row in rows]
        for event, row in zip(shown, rows, strict=True):
            value = row.values[name]
            assert event.value == np.float32(value) or (math.isnan(event.value) and math.isnan(value))
    pictures = [(picture.step, (run.path / picture.path).read_bytes()) for picture in run.picture_rows()]
    assert [(image.step, image.encoded_image_string) for image in reader.Images("pictures/skeleton")] == pictures


def test_every_number_and_picture_is_in_the_files(store):
    assert told(store) == {"teacher": "told", "student": "told", "later": "not begun"}
    for run_id in ("teacher", "student"):
        check_whole(store.run(run_id))
    reader = read(store.run("teacher"))
    assert [event.value for event in reader.Scalars("summary/best/AP")] == [np.float32(0.2)]
    data = reader.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(data).session_start_info
    assert start.hparams["row"].string_value == "teacher_stemnet"
    assert start.hparams["seed"].number_value == 0


def test_what_is_there_is_not_told_again_and_what_was_added_replaces_it_even_for_who_is_reading(store):
    told(store)
    student = store.run("student")
    reader = read(student)
    assert told(store)["student"] == "there"
    with student.journal() as journal:
        journal.start(attempt=3, step=4)
        measure(student, journal, [5])
        journal.finish()
    assert told(store)["student"] == "told"
    check_whole(student)
    check_whole(student, reader.Reload())
    assert told(store, again=True)["student"] == "told"
    check_whole(student)


def test_what_a_killed_process_lost_is_told_again(store, killed):
    run = killed("tensorboard")
    assert told(store)["later"] == "told"
    check_whole(run)


def test_a_folder_that_cannot_be_written_is_a_failure(store, tmp_path):
    (tmp_path / "file").write_text("")
    done = list(replay_sweep(store, PLAN, TensorBoard(logdir=str(tmp_path / "file"))))
    assert [run.what for run in done].count("failed") == 2
    assert "does not start" in "".join(run.why for run in done)


@pytest.mark.parametrize("reach", [True, False])
def test_files_need_no_server(reach):
    TensorBoard().check(reach=reach)
