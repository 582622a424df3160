"""Trackio's database, held against the journals."""

import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import orjson
import pytest
from made_up_runs import PLAN, measure

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

from experiments.track.card import RunCard  # noqa: E402
from experiments.track.replay import replay_sweep  # noqa: E402
from experiments.track.trackio import Trackio  # noqa: E402


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Trackio's folder, which it reads once a process."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio.media.media
    import trackio.media.utils
    import trackio.sqlite_storage
    import trackio.utils

    for module in (trackio.utils, trackio.sqlite_storage, trackio.media.media, trackio.media.utils):
        for name, part in (("TRACKIO_DIR", ""), ("MEDIA_DIR", "media")):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, tmp_path / "trackio" / part)
    return tmp_path / "trackio"


def told(store, **options):
    return {done.run_id: done.what for done in replay_sweep(store, PLAN, Trackio(), **options)}


def rows(folder, run_id):
    with closing(sqlite3.connect(folder / "distilpose.db")) as database:
        query = "select log_id, step, timestamp, metrics from metrics where run_id = ? order by step, id"
        return [(name, step, time, orjson.loads(text)) for name, step, time, text in database.execute(query, (run_id,))]


def check_whole(run, folder):
    shown = [row for row in rows(folder, run.run_id) if row[0].rpartition("-")[2].isdigit()]
    assert [step for _, step, *_ in shown] == [row.step for row in run.metrics()]
    for (_, _, _, values), row, picture in zip(shown, run.metrics(), run.picture_rows(), strict=True):
        assert values["train/loss"] == row.values["train/loss"]
        value = row.values["val/PCK@0.1"]
        assert values["val/PCK@0.1"] == ("NaN" if math.isnan(value) else value)
        image = values["pictures/skeleton"]
        assert (folder / "media" / image["file_path"]).read_bytes() == (run.path / picture.path).read_bytes()
        assert image["caption"] == picture.caption


def test_every_number_and_picture_is_in_the_database(store, folder):
    assert told(store) == {"teacher": "told", "student": "told", "later": "not begun"}
    for run_id in ("teacher", "student"):
        check_whole(store.run(run_id), folder)
    with closing(sqlite3.connect(folder / "distilpose.db")) as database:
        ((name, config),) = database.execute("select run_name, config from configs where run_id = 'teacher'")
    assert name == "teacher teacher_stemnet, seed 0"
    assert orjson.loads(config)["_Group"] == "mini.default"
    assert orjson.loads(config)["best/AP"] == 0.2


def test_a_run_that_is_there_is_joined_and_what_was_added_arrives(store, folder):
    told(store)
    assert told(store)["student"] == "there"
    student = store.run("student")
    with student.journal() as journal:
        journal.start(attempt=3, step=4)
        measure(student, journal, [5])
        journal.finish()
    assert told(store, again=True) == {"teacher": "told", "student": "told", "later": "not begun"}
    for run_id in ("teacher", "student"):
        check_whole(store.run(run_id), folder)
    assert len(list((folder / "media").rglob("*.png"))) == 2 + 5


def test_a_run_is_not_looked_up_while_another_makes_the_database(store, folder):
    from trackio.sqlite_storage import SQLiteStorage

    card = RunCard(run_id="another", name="another", config={})
    with ThreadPoolExecutor(1) as pool:
        with SQLiteStorage._get_process_lock("distilpose"):
            opened = pool.submit(Trackio().open, card, store.run("teacher").path, live=False)
            assert not wait([opened], timeout=0.3).done
        opened.result(timeout=20)


def test_what_a_killed_process_lost_is_told_again(store, folder, killed):
    run = killed("trackio")
    assert told(store)["later"] == "told"
    check_whole(run, folder)
