"""Which driver may begin a session of a study, and in which folder."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipeline import load_results, run
from pipeline.errors import DataError, StorageError, StudyExists, Superseded
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import load_study
from tests.unit.execution.driver.resumed_study import finished, job, resumed
from tune_jobs import find


@pytest.fixture
def study(tmp_path: Path) -> Store:
    """A finished study."""
    return finished(tmp_path)


def _silent(reported: str) -> None:
    raise AssertionError(reported)


def test_a_driver_that_was_replaced_stops_writing(study, tmp_path):
    """A driver that finds a higher session number ends and leaves the tables unchanged."""
    path = Path(study.uri) / "sessions/0003.json"

    class Rival:
        def watch(self, session):
            path.write_text(json.dumps({"number": 3, "state": "running", "host": "elsewhere", "pid": 1}))
            return __import__("contextlib").nullcontext()

    before = sorted(file.name for file in (Path(study.uri) / "epochs").iterdir())
    with pytest.raises(Superseded, match="session 3, has taken over"):
        resumed(study, job(tmp_path), display=Rival())
    assert sorted(file.name for file in (Path(study.uri) / "epochs").iterdir()) == before


def test_a_driver_whose_file_was_replaced_reports_it(study, tmp_path, monkeypatch):
    """A driver whose session file was replaced ends with an error that names the study and the other driver."""
    path = Path(study.uri) / "sessions/0002.json"

    class Rival:
        def watch(self, session):
            path.write_text(json.dumps({"number": 2, "state": "running", "host": "elsewhere", "pid": 1}))
            return __import__("contextlib").nullcontext()

    monkeypatch.chdir(tmp_path)
    with pytest.raises(Superseded) as raised:
        resumed(study, job(tmp_path), display=Rival())
    assert study.uri in str(raised.value)


@pytest.mark.parametrize(("started", "alive"), [({}, True), ({"process_started_after_boot": 1.0}, False)])
def test_a_process_id_alone_is_no_sign_of_life(study, tmp_path, started, alive):
    """A driver counts as alive only if the process with its id has the recorded start time."""
    path = Path(study.uri) / "sessions/0001.json"
    session = json.loads(path.read_text()) | {"mark": "another driver's"}
    path.write_text(json.dumps(session | {"state": "running", "heartbeat": datetime.now(UTC).isoformat()} | started))
    if alive:
        with pytest.raises(StudyExists, match="is already running"):
            resumed(study, job(tmp_path))
    else:
        assert not resumed(study, job(tmp_path), note=_silent).finished_before


def test_a_folder_without_a_study_is_refused(tmp_path):
    """A folder with files but without a study is refused."""
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/diary.txt").write_text("mine")
    with pytest.raises(StorageError, match="no study"):
        run(job(tmp_path), storage=tmp_path / "studies", resume=True)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("options", [{}, {"take_over": True}])
def test_files_with_a_studys_names_are_refused_where_no_session_began(tmp_path, resume, options):
    """Without study.json and a session, files that only have a study's names are listed and kept."""
    mine = {"trials.parquet": "thesis", "source/climbing.py": "secret"}
    store = Store(tmp_path / "studies").folder("s")
    for path, text in mine.items():
        store.write(path, text)
    with pytest.raises(StorageError, match=r"belong to no study: source/climbing\.py, trials\.parquet\. Nothing was"):
        run(job(tmp_path), storage=tmp_path / "studies", resume=resume, **options)
    assert {path: store.read_text(path) for path in store.files()} == mine


def test_a_study_whose_folder_is_a_link_to_nothing_is_refused(tmp_path):
    """A study's folder that is a link to a missing target is refused with the link and its target."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/s").symlink_to(tmp_path / "gone")
    with pytest.raises(StorageError, match=f"studies/s is a link to {tmp_path}/gone, which does not exist"):
        run(job(tmp_path), storage=tmp_path / "studies")
    assert not (tmp_path / "gone").exists()


def test_a_file_that_is_no_specification_is_not_replaced(tmp_path):
    """A study.json that is not a study's specification is not replaced."""
    store = Store(tmp_path / "studies").folder("s")
    store.write("study.json", '{"thesis": 1}')
    with pytest.raises(StudyExists):
        run(job(tmp_path), storage=tmp_path / "studies")
    assert store.read_text("study.json") == '{"thesis": 1}'


def test_a_study_killed_before_it_was_written_starts_again(tmp_path):
    """A folder with a session and sources but no study.json is reused for a new study of that name."""
    store = Store(tmp_path / "studies").folder("s")
    ended = {"number": 1, "state": "failed", "started": "2026-01-01T00:00:00+00:00"}
    store.write("sessions/0001.json", json.dumps(ended))
    store.write("source/climbing.py", "x = 1")
    store.write(".writing-study.json-1234", "{")
    run(job(tmp_path), storage=tmp_path / "studies")
    results = load_results(store.uri)
    assert results.state == "finished"
    assert set(results.epochs["session"]) == {2}


@pytest.mark.parametrize("resume", [False, True])
def test_a_driver_killed_while_it_took_the_first_number_is_followed(tmp_path, resume):
    """An empty first session, as a kill leaves it without hard links, does not keep a study from beginning."""
    store = Store(tmp_path / "studies").folder("s")
    store.write("sessions/0001.json", "")
    os.utime(store.local / "sessions/0001.json", (1e9, 1e9))
    run(job(tmp_path), storage=tmp_path / "studies", resume=resume)
    results = load_results(store.uri)
    assert (results.state, set(results.epochs["session"])) == ("finished", {2})


def test_a_driver_killed_while_it_took_a_later_number_is_followed(study, tmp_path):
    """A study whose last session is empty continues from the one before."""
    study.write("sessions/0002.json", "")
    os.utime(study.local / "sessions/0002.json", (1e9, 1e9))
    resumed(study, job(tmp_path))
    results = load_results(study.uri)
    assert [session["state"] for session in results.sessions] == ["finished", "interrupted", "finished"]
    assert results.epochs.groupby("session").size().to_dict() == {1: 4, 3: 4}


def test_temporary_files_of_killed_writers_are_deleted(study, tmp_path):
    """A resume deletes the temporary files of an earlier session, which no list shows."""
    left = [Path(study.uri) / name for name in (".writing-trials.parquet-1", "checkpoints/0000/.writing-000003.ckpt-2")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    resumed(study, job(tmp_path))
    assert not [file for file in left if file.exists()]


def test_of_two_drivers_that_start_together_one_writes_nothing(tmp_path):
    """Of two drivers that start at the same moment, the one without the session number writes nothing."""
    winner = job(tmp_path)

    # A space of constants has fewer trials than its budget: the loser notes that just before it would start.
    loser = winner.replaced({"space": {"y": 1.0}})

    def at_the_same_moment(_reported: str) -> None:
        run(winner, storage=tmp_path / "studies")

    with pytest.raises(Superseded, match="has just begun session 1"):
        run(loser, storage=tmp_path / "studies", note=at_the_same_moment)
    assert "x" in load_study(Store(tmp_path / "studies").folder("s")).space


def test_a_study_without_its_sessions_is_not_started_again(study, tmp_path):
    """A study with tables but no sessions is refused, because its rows would override new ones."""
    study.delete("sessions/0001.json")
    with pytest.raises(StorageError, match="have rows of session 1, and sessions/ has no file"):
        resumed(study, job(tmp_path))


def test_a_driver_that_is_a_zombie_is_dead(study, tmp_path):
    """A killed driver that its parent has not reaped, as in a container without an init, counts as dead."""
    import subprocess

    import psutil

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    session = {
        **study.read_json("sessions/0001.json"),
        "state": "running",
        "mark": "the child's",
        **identity(child.pid),
    }
    study.write("sessions/0001.json", json.dumps(session))
    with pytest.raises(StudyExists, match="already running"):
        resumed(study, job(tmp_path))
    child.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        continue
    resumed(study, job(tmp_path))
    child.wait()
    assert load_results(study.uri).state == "finished"


def test_a_finished_study_is_unchanged_if_its_data_are_missing(tmp_path, monkeypatch):
    """If the data of a finished study are missing, the resume fails before a driver touches the study."""
    home = tmp_path / "home"
    home.mkdir()
    pd.DataFrame({"a": range(10), "label": [0, 1] * 5}).to_parquet(home / "rows.parquet")
    (home / "keras_job.py").write_text(
        "from pipeline import Budget, Objective, TuneJob\n"
        "def build(config):\n"
        "    import keras\n"
        "    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation='softmax')])\n"
        "    model.compile(keras.optimizers.SGD(config['lr']), 'categorical_crossentropy', metrics=['accuracy'])\n"
        "    return model\n"
        "JOB = TuneJob(name='s', model=build, data='rows.parquet', space={'lr': 0.1},\n"
        "              objectives=[Objective('val_loss', 'min')], scheduler='fifo',\n"
        "              budget=Budget(trials=1, epochs=1), resources={'workers': 0})\n"
    )
    monkeypatch.chdir(home)
    run(find("keras_job.py"), storage=tmp_path / "studies")
    store = Store(tmp_path / "studies").folder("s")
    before = {path: store.read(path) for path in store.files()}
    monkeypatch.chdir(tmp_path)
    more = load_study(store).replaced({"budget.epochs": 2})
    with pytest.raises(DataError, match=rf"no data file rows.parquet in {tmp_path};"):
        run(more, storage=tmp_path / "studies", resume=True)
    assert {path: store.read(path) for path in store.files()} == before
