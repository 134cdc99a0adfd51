"""Going on with a study: which job it is, whose turn it is, what may have changed."""

import json
import pickle
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import Budget, load_results, run
from pipeline.errors import DataError, Fault, StorageError, StudyChanged, StudyExists, Superseded
from pipeline.execution.driver.resume_checks import reconciled, with_study_settings
from pipeline.storage import Store
from pipeline.storage.processes import identity
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


def _silent(reported: str) -> None:
    raise AssertionError(reported)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (JOB.replace("for step", "# uphill\n    for step"), "climbing.py"),
        (JOB.replace("(config)", "( config )"), "climbing.py"),
        (JOB, "renamed.py"),
    ],
)
def test_a_comment_and_another_file_name_change_nothing(study, tmp_path, text, file):
    """A source file that differs only in comments or in its name is unchanged: the study resumes with its copy."""
    ran(study, job(tmp_path, text, file))
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert (Path(study.uri) / "source/climbing.py").read_text() == JOB


def test_changed_code_is_refused_with_the_difference(study, tmp_path):
    """The lines that changed are shown, and what can be done."""
    with pytest.raises(StudyChanged) as error:
        ran(study, job(tmp_path, JOB.replace("+ step", "- step")))
    reported = str(error.value)
    assert '-        yield {"score": config["x"] + step}' in reported
    assert '+        yield {"score": config["x"] - step}' in reported
    assert "tunepipe resume NAME" in reported
    assert len(load_results(study.uri).epochs) == 4


@pytest.mark.parametrize(
    ("path", "folder", "within"),
    [
        ("lib/late_one.py", "/lib", "import late_one"),
        ("late_pack/kinds/kind_b.py", "", "importlib.import_module(f'late_pack.kinds.kind_{chr(98)}')"),
    ],
)
def test_changed_code_that_is_imported_only_while_it_runs_is_refused(tmp_path, monkeypatch, path, folder, within):
    """A module that no text names, copied when a trial imported it, must stay as it is, unless changes are accepted."""
    monkeypatch.setattr("sys.path", list(sys.path))
    late = tmp_path / path
    late.parent.mkdir(parents=True)
    late.write_text("v = 1\n")
    top = f"import importlib, os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + {folder!r})"
    text = f"{top}\n{JOB}".replace("    for step", f"    {within}\n    for step")
    run(job(tmp_path, text, "late_job.py"), storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    assert study.read(f"source/{path}") == b"v = 1\n"
    late.write_text("v = 1  # one\n")
    ran(study, job(tmp_path, text, "late_job.py"))
    late.write_text("v = 5\n")
    changed = job(tmp_path, text, "late_job.py").replaced({"budget.trials": 3})
    with pytest.raises(StudyChanged, match="is imported by the job, and must be as the study began with it") as error:
        ran(study, changed)
    assert path in str(error.value)
    assert "-v = 1\n+v = 5" in str(error.value)
    ran(study, changed, accept_changes=True)
    assert len(load_results(study.uri).trials) == 3
    assert study.read(f"source/{path}") == b"v = 5\n"
    assert load_results(study.uri).sessions[-1]["code_changes"] == [f"{path} has other content"]


def test_changed_code_continues_if_it_is_accepted(study, tmp_path):
    """With changes accepted, the new code trains the remaining epochs and the study keeps a copy of it."""
    changed = JOB.replace("range(4)", "range(9)")
    ran(study, job(tmp_path, changed), accept_changes=True)
    assert (Path(study.uri) / "source/climbing.py").read_text() == changed
    results = load_results(study.uri)
    assert len(results.epochs) == 8
    assert [session["code_changes"] for session in results.sessions] == [
        [],
        ["climbing.py, which defines climb, has other code"],
    ]


def test_a_changed_domain_is_named(study, tmp_path):
    """The parameter, what it was and what it is; accepted, new trials are drawn from the new domain."""
    changed = job(tmp_path, JOB.replace("Uniform(0, 1)", "Uniform(5, 6)"))
    with pytest.raises(StudyChanged, match=r"space\.x: must stay .*'high': 1"):
        ran(study, changed)
    ran(study, changed.replaced({"budget.trials": 4}), accept_changes=True)
    results = load_results(study.uri)
    _, change = results.sessions[-1]["code_changes"]
    assert re.fullmatch(r"x is .*'high': 6.* instead of .*'high': 1.*", change)
    drawn = results.trials["config_x"]
    assert (drawn[:2] < 1).all()
    assert (drawn[2:] >= 5).all()


def test_another_parameter_cannot_be_accepted(study, tmp_path):
    """A further parameter is refused, since earlier trials have no value for it."""
    changed = job(tmp_path, JOB.replace('{"x": Uniform(0, 1)}', '{"x": Uniform(0, 1), "y": 3}'))
    with pytest.raises(StudyChanged, match=r"space\.y: must be left out"):
        ran(study, changed, accept_changes=True)


def test_the_seed_cannot_change(study, tmp_path):
    """A resume refuses another seed or scheduler even if code changes are accepted."""
    with pytest.raises(StudyChanged, match="seed: must stay 0"):
        ran(study, job(tmp_path).replaced({"seed": 1}), accept_changes=True)


def test_a_resume_keeps_and_reports_the_studys_own_budget(study, tmp_path):
    """A resume keeps the study's own budget of two epochs and reports that the job file now asks for thirty."""
    reported: list[str] = []
    found = with_study_settings(job(tmp_path, JOB.replace("epochs=2", "epochs=30")), study, reported.append)
    assert found.budget == Budget(trials=2, epochs=2)
    assert reported == ["The study keeps its own budget where no option changes it: epochs 2, not 30."]
    with_study_settings(
        job(tmp_path, JOB.replace("epochs=2", "epochs=30")), study, reported.append, changed=["budget.epochs"]
    )
    assert len(reported) == 1


def test_a_smaller_budget_is_reported(study, tmp_path):
    """A resume with a smaller budget keeps all trained epochs and reports the difference."""
    reported: list[str] = []
    run(job(tmp_path).replaced({"budget.epochs": 1}), storage=tmp_path / "studies", resume=True, note=reported.append)
    assert reported == [
        "The study resumes with a smaller budget than before: epochs 1 instead of 2. Its results beyond that stay."
    ]
    assert len(load_results(study.uri).epochs) == 4


def test_a_study_continues_under_the_name_of_its_folder(study, tmp_path):
    """A copied study is resumed in its present folder, under the name of that folder."""
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


def test_a_driver_whose_file_was_replaced_reports_it(study, tmp_path, monkeypatch):
    """A driver whose session file was replaced ends with an error that names the study and the other driver."""
    path = Path(study.uri) / "sessions/0002.json"

    class Rival:
        def watch(self, session):
            path.write_text(json.dumps({"number": 2, "state": "running", "host": "elsewhere", "pid": 1}))
            return __import__("contextlib").nullcontext()

    monkeypatch.chdir(tmp_path)
    with pytest.raises(Superseded) as raised:
        ran(study, job(tmp_path), display=Rival())
    assert str(raised.value) == (
        f"Another driver, also of session 2, has taken over the study '{job(tmp_path).name}'. This one ends without "
        "touching it any more."
    )


def test_two_drivers_cannot_take_one_number(study):
    """The number is a file that only one can make."""
    assert study.create("sessions/0009.json", "{}")
    assert not study.create("sessions/0009.json", "{}")


@pytest.mark.parametrize(("started", "alive"), [({}, True), ({"process_started_after_boot": 1.0}, False)])
def test_a_process_id_alone_is_no_sign_of_life(study, tmp_path, started, alive):
    """The id of this process, but started at another time: some other process has it now, and nothing is waited for."""
    path = Path(study.uri) / "sessions/0001.json"
    session = json.loads(path.read_text())
    path.write_text(json.dumps(session | {"state": "running", "heartbeat": datetime.now(UTC).isoformat()} | started))
    if alive:
        with pytest.raises(StudyExists, match="is running already"):
            ran(study, job(tmp_path))
    else:
        assert not ran(study, job(tmp_path), note=_silent).already


def test_a_foreign_folder_is_refused(tmp_path):
    """Files that are no study are left alone."""
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
    """The message names the link and its target, before anything trains."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/s").symlink_to(tmp_path / "gone")
    with pytest.raises(StorageError, match=f"studies/s is a link to {tmp_path}/gone, which does not exist"):
        run(job(tmp_path), storage=tmp_path / "studies")
    assert not (tmp_path / "gone").exists()


def test_a_file_that_is_no_specification_is_not_replaced(tmp_path):
    """A user's own study.json is not taken for that of a study that trained nothing."""
    store = Store(tmp_path / "studies").folder("s")
    store.write("study.json", '{"thesis": 1}')
    with pytest.raises(StudyExists):
        run(job(tmp_path), storage=tmp_path / "studies")
    assert store.read_text("study.json") == '{"thesis": 1}'


def test_a_study_killed_before_it_was_written_starts_again(tmp_path):
    """A folder with a session and sources but no study.json is reused: the study's name is not lost."""
    store = Store(tmp_path / "studies").folder("s")
    ended = {"number": 1, "state": "failed", "started": "2026-01-01T00:00:00+00:00"}
    store.write("sessions/0001.json", json.dumps(ended))
    store.write("source/climbing.py", "x = 1")
    store.write(".writing-study.json-1234", "{")
    run(job(tmp_path), storage=tmp_path / "studies")
    results = load_results(store.uri)
    assert results.state == "finished"
    assert set(results.epochs["session"]) == {2}


def test_temporary_files_of_killed_writers_are_deleted(study, tmp_path):
    """A resume deletes the temporary files of an earlier session, which no list shows."""
    left = [Path(study.uri) / name for name in (".writing-trials.parquet-1", "checkpoints/0000/.writing-000003.ckpt-2")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    ran(study, job(tmp_path))
    assert not [file for file in left if file.exists()]


def test_of_two_drivers_that_start_at_once_one_writes_nothing(tmp_path):
    """Of two drivers that start at once, the loser writes neither study.json nor sources: the number comes first."""
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
        ran(study, job(tmp_path))


def test_a_driver_that_is_a_zombie_is_dead(study, tmp_path):
    """A killed driver that its parent has not reaped, as in a container without an init, counts as dead."""
    import subprocess

    import psutil

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    session = {**study.read_json("sessions/0001.json"), "state": "running", **identity(child.pid)}
    study.write("sessions/0001.json", json.dumps(session))
    with pytest.raises(StudyExists, match="running already"):
        ran(study, job(tmp_path))
    child.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        continue
    ran(study, job(tmp_path))
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
    with pytest.raises(DataError, match=rf"no data file rows.parquet in {tmp_path}\. A relative path starts in"):
        run(more, storage=tmp_path / "studies", resume=True)
    assert {path: store.read(path) for path in store.files()} == before


def test_a_notebook_gets_advice_that_works_in_a_notebook() -> None:
    """In a notebook, the message names the call that resumes, because no command can; pickling keeps this."""
    for typed, advice in ((True, "run(JOB, resume=True, accept_changes=True)"), (False, "`tunepipe resume NAME`")):
        error = StudyChanged("the study 's', to be resumed,", [Fault("seed", 1, "must stay 0")], typed=typed)
        for each in (error, pickle.loads(pickle.dumps(error))):
            assert advice in str(each)
            assert ("--accept-changes" in str(each)) != typed
