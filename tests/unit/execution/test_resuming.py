"""Going on with a study: which job it is, whose turn it is, what may have changed."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import Budget, load_results, run
from pipeline.errors import DataError, StorageError, StudyChanged, StudyExists, Superseded
from pipeline.execution.resuming import kept, reconciled
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study
from tune_jobs import find

JOB = """
from pipeline import Budget, Objective, TuneJob, Uniform

def climb(config):
    for step in range(4):
        yield {"score": config["x"] + step}

JOB = TuneJob(
    name="s", function=climb, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
    scheduler="fifo", budget=Budget(trials=2, epochs=2), resources={"workers": 0},
)
"""


def job(folder: Path, text: str = JOB, file: str = "climbing.py") -> TuneJob:
    """The job of a file with that text."""
    (folder / file).write_text(text)
    return find(str(folder / file))


@pytest.fixture
def study(tmp_path) -> Store:
    """A finished study."""
    run(job(tmp_path), storage=tmp_path / "studies")
    return Store(tmp_path / "studies").folder("s")


def ran(study: Store, changed: TuneJob, **options: Any) -> Any:
    """The study resumed with another job."""
    return run(changed.replaced({"budget.epochs": 4}), storage=Path(study.uri).parent, resume=True, **options)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (JOB.replace("for step", "# uphill\n    for step"), "climbing.py"),
        (JOB.replace("(config)", "( config )"), "climbing.py"),
        (JOB, "renamed.py"),
    ],
)
def test_a_comment_and_another_file_name_change_nothing(study, tmp_path, text, file):
    """What says the same is the same: the study goes on with its own copy."""
    ran(study, job(tmp_path, text, file))
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert (Path(study.uri) / "source/climbing.py").read_text() == JOB


def test_changed_code_is_refused_with_the_difference(study, tmp_path):
    """The lines that changed are shown, and what can be done."""
    with pytest.raises(StudyChanged) as error:
        ran(study, job(tmp_path, JOB.replace("+ step", "- step")))
    told = str(error.value)
    assert '-        yield {"score": config["x"] + step}' in told
    assert '+        yield {"score": config["x"] - step}' in told
    assert "tunepipe resume NAME" in told
    assert len(load_results(study.uri).epochs) == 4


def test_changed_code_goes_on_where_that_is_accepted(study, tmp_path):
    """The new code trains what is left, and the study keeps a copy of it."""
    changed = JOB.replace("range(4)", "range(9)")
    ran(study, job(tmp_path, changed), accept_changes=True)
    assert (Path(study.uri) / "source/climbing.py").read_text() == changed
    assert len(load_results(study.uri).epochs) == 8


def test_a_changed_domain_is_named(study, tmp_path):
    """The parameter, what it was and what it is; accepted, new trials are drawn from the new domain."""
    changed = job(tmp_path, JOB.replace("Uniform(0, 1)", "Uniform(5, 6)"))
    with pytest.raises(StudyChanged, match=r"space\.x: must stay .*'high': 1"):
        ran(study, changed)
    ran(study, changed.replaced({"budget.trials": 4}), accept_changes=True)
    drawn = load_results(study.uri).trials["config_x"]
    assert (drawn[:2] < 1).all()
    assert (drawn[2:] >= 5).all()


def test_another_parameter_cannot_be_accepted(study, tmp_path):
    """Half of the trials would have no value for it."""
    changed = job(tmp_path, JOB.replace('{"x": Uniform(0, 1)}', '{"x": Uniform(0, 1), "y": 3}'))
    with pytest.raises(StudyChanged, match=r"space\.y: must not be there"):
        ran(study, changed, accept_changes=True)


def test_the_seed_cannot_change(study, tmp_path):
    """Nor the scheduler, whatever is accepted."""
    with pytest.raises(StudyChanged, match="seed: must stay 0"):
        ran(study, job(tmp_path).replaced({"seed": 1}), accept_changes=True)


def test_a_resume_keeps_the_studys_own_budget_and_says_so(study, tmp_path):
    """The study had two epochs; its file says thirty now."""
    told: list[str] = []
    found = kept(job(tmp_path, JOB.replace("epochs=2", "epochs=30")), study, told.append)
    assert found.budget == Budget(trials=2, epochs=2)
    assert told == ["The study keeps its own budget where no option changes it: epochs 2, not 30."]
    kept(job(tmp_path, JOB.replace("epochs=2", "epochs=30")), study, told.append, changed=["budget.epochs"])
    assert len(told) == 1


def test_a_smaller_budget_is_told(study, tmp_path):
    """Nothing that was trained goes; a person may have forgotten what the study had."""
    told: list[str] = []
    run(job(tmp_path).replaced({"budget.epochs": 1}), storage=tmp_path / "studies", resume=True, note=told.append)
    assert told == [
        "The study goes on with a smaller budget than it had: epochs 1 instead of 2. What it has beyond that stays."
    ]
    assert len(load_results(study.uri).epochs) == 4


def test_a_study_goes_on_under_the_name_of_its_folder(study, tmp_path):
    """A copied study is resumed where it lies now."""
    Path(study.uri).rename(tmp_path / "studies/copy")
    store = Store(tmp_path / "studies").folder("copy")
    again = reconciled(load_study(store).replaced({"name": "copy", "budget.epochs": 3}), load_study(store))
    run(again, storage=tmp_path / "studies", resume=True)
    assert len(load_results(store.uri).epochs) == 6


def test_a_driver_that_was_replaced_stops_writing(study, tmp_path):
    """A higher session number appears while it trains: it ends, and leaves the tables alone."""
    path = Path(study.uri) / "sessions/0003.json"

    class Rival:
        def watch(self, session):
            path.write_text(json.dumps({"number": 3, "state": "running", "host": "elsewhere", "pid": 1}))
            return __import__("contextlib").nullcontext()

    before = sorted(file.name for file in (Path(study.uri) / "epochs").iterdir())
    with pytest.raises(Superseded, match="session 3, has taken over"):
        ran(study, job(tmp_path), display=Rival())
    assert sorted(file.name for file in (Path(study.uri) / "epochs").iterdir()) == before


def test_two_drivers_cannot_take_one_number(study):
    """The number is a file that only one can make."""
    assert study.create("sessions/0009.json", "{}")
    assert not study.create("sessions/0009.json", "{}")


@pytest.mark.parametrize(("started", "alive"), [(None, True), (1.0, False)])
def test_a_process_id_alone_is_no_sign_of_life(study, tmp_path, started, alive):
    """The id of this process, but started at another time: some other process has it now."""
    import psutil

    path = Path(study.uri) / "sessions/0001.json"
    session = json.loads(path.read_text())
    session |= {
        "state": "running",
        "pid": psutil.Process().pid,
        "process_started": started or session["process_started"],
    }
    path.write_text(json.dumps(session))
    if alive:
        with pytest.raises(StudyExists, match="is running already"):
            ran(study, job(tmp_path))
    else:
        assert not ran(study, job(tmp_path)).already


def test_a_foreign_folder_is_refused(tmp_path):
    """Files that are no study are left alone."""
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/diary.txt").write_text("mine")
    with pytest.raises(StorageError, match="no study"):
        run(job(tmp_path), storage=tmp_path / "studies", resume=True)


def test_a_study_killed_before_it_was_written_down_begins_anew(tmp_path):
    """Its folder holds a session and copies of sources, and no study.json: the name is not lost."""
    store = Store(tmp_path / "studies").folder("s")
    ended = {"number": 1, "state": "failed", "started": "2026-01-01T00:00:00+00:00"}
    store.write("sessions/0001.json", json.dumps(ended))
    store.write("source/climbing.py", "x = 1")
    store.write(".writing-study.json-1234", "{")
    run(job(tmp_path), storage=tmp_path / "studies")
    results = load_results(store.uri)
    assert results.state == "finished"
    assert set(results.epochs["session"]) == {2}


def test_what_killed_writers_left_is_swept_away(study, tmp_path):
    """Temporary files of an earlier session would fill the disk, and no list shows them."""
    left = [Path(study.uri) / name for name in (".writing-trials.parquet-1", "checkpoints/0000/.writing-000003.ckpt-2")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    ran(study, job(tmp_path))
    assert not [file for file in left if file.exists()]


def test_of_two_drivers_that_begin_at_once_one_writes_nothing(tmp_path):
    """The number is taken first: the loser changes neither study.json nor the sources."""
    winner = job(tmp_path)

    # A space of constants has fewer trials than its budget: the loser is told so just before it would begin.
    loser = winner.replaced({"space": {"y": 1.0}})

    def at_the_same_moment(_told: str) -> None:
        run(winner, storage=tmp_path / "studies")

    with pytest.raises(Superseded, match="has just begun session 1"):
        run(loser, storage=tmp_path / "studies", note=at_the_same_moment)
    assert "x" in load_study(Store(tmp_path / "studies").folder("s")).space


def test_a_study_whose_sessions_are_gone_is_not_begun_anew(study, tmp_path):
    """The rows of its tables would win over new ones, and what the scheduler knew is lost: it says so."""
    study.delete("sessions/0001.json")
    with pytest.raises(StorageError, match="tell of session 1, and sessions/ has none"):
        ran(study, job(tmp_path))


def test_a_driver_that_is_a_zombie_is_dead(study, tmp_path):
    """Killed, and not reaped by whoever started it, as in a container without an init."""
    import subprocess
    import sys

    import psutil

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    session = {**study.read_json("sessions/0001.json"), "state": "running", "pid": child.pid}
    study.write("sessions/0001.json", json.dumps({**session, "process_started": process.create_time()}))
    with pytest.raises(StudyExists, match="running already"):
        ran(study, job(tmp_path))
    child.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        continue
    ran(study, job(tmp_path))
    child.wait()
    assert load_results(study.uri).state == "finished"


def test_a_finished_study_stays_so_where_its_data_are_not_found(tmp_path, monkeypatch):
    """Told before a driver takes the study over: nothing of it is touched."""
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
    with pytest.raises(DataError, match=rf"no data file rows.parquet in {tmp_path}\. A relative path starts where"):
        run(more, storage=tmp_path / "studies", resume=True)
    assert {path: store.read(path) for path in store.files()} == before
