"""What a session starts from: which driver may begin it, in which folder, and which changes of the job it accepts."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from pipeline import Budget, load_results, run
from pipeline.errors import DataError, StorageError, StudyChanged, StudyExists, Superseded
from pipeline.execution.driver.resume import SessionStart, reconciled, session_start, with_study_settings
from pipeline.notes import notes_to
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


def finished(folder: Path) -> Store:
    """A finished study of the job, in a storage below the folder."""
    run(job(folder), storage=folder / "studies")
    return Store(folder / "studies").folder("s")


def resumed(study: Store, changed: TuneJob, **options: Any) -> Any:
    """The study resumed with another job."""
    return run(changed.replaced({"budget.epochs": 4}), storage=Path(study.uri).parent, resume=True, **options)


@pytest.fixture
def study(tmp_path: Path) -> Store:
    """A finished study."""
    return finished(tmp_path)


def _start(tuned: TuneJob, folder: Path, **options: Any) -> SessionStart:
    defaults = {"resume": True, "accept_changes": False, "take_over": False}
    return session_start(tuned, Store(folder / "studies").folder("s"), folder / "studies", **{**defaults, **options})


def test_a_finished_study_is_finished_until_its_budget_changes(tmp_path: Path) -> None:
    finished(tmp_path)
    assert _start(job(tmp_path), tmp_path).finished
    larger = _start(job(tmp_path).replaced({"budget.epochs": 4}), tmp_path)
    assert not larger.finished
    assert (larger.last["number"], len(larger.state["trials"])) == (1, 2)


def test_a_renamed_function_of_a_notebook_is_a_change_that_can_be_accepted(tmp_path: Path) -> None:

    def before(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        yield {"score": config["x"]}

    def after(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        yield {"score": config["x"] + 1}

    first = job(tmp_path).replaced({"function": before})
    run(first, storage=tmp_path / "studies", note=lambda _: None)
    for renamed in (first.replaced({"function": after}), job(tmp_path)):
        larger = renamed.replaced({"budget.trials": 3})
        with pytest.raises(StudyChanged, match="must be the code that the study began with"):
            _start(larger, tmp_path)
        start = _start(larger, tmp_path, accept_changes=True)
        assert start.job.function is larger.function
        assert "has different code" in " ".join(start.code_changes)


def test_a_state_without_a_number_of_decisions_is_refused(tmp_path: Path) -> None:
    store = finished(tmp_path)
    session = store.read_json("sessions/0001.json")
    session["resume"]["decided"] = "many"
    store.write("sessions/0001.json", json.dumps(session))
    with pytest.raises(StorageError, match=r"sessions/0001\.json \(it decided 'many'\)"):
        _start(job(tmp_path).replaced({"budget.epochs": 4}), tmp_path)


def _silent(reported: str) -> None:
    raise AssertionError(reported)


def test_a_driver_that_was_replaced_stops_writing(study, tmp_path):
    path = Path(study.uri) / "sessions/0003.json"

    class Rival:
        def watch(self, session):
            path.write_text(json.dumps({"number": 3, "state": "running", "host": "elsewhere", "pid": 1}))
            return contextlib.nullcontext()

    before = sorted(file.name for file in (Path(study.uri) / "epochs").iterdir())
    with pytest.raises(Superseded, match="session 3, has taken over"):
        resumed(study, job(tmp_path), display=Rival())
    assert sorted(file.name for file in (Path(study.uri) / "epochs").iterdir()) == before


@pytest.mark.parametrize(("started", "alive"), [({}, True), ({"process_started_after_boot": 1.0}, False)])
def test_a_process_id_alone_is_no_sign_of_life(study, tmp_path, started, alive):
    path = Path(study.uri) / "sessions/0001.json"
    session = json.loads(path.read_text()) | {"mark": "another driver's"}
    path.write_text(json.dumps(session | {"state": "running", "heartbeat": datetime.now(UTC).isoformat()} | started))
    if alive:
        with pytest.raises(StudyExists, match="is already running"):
            resumed(study, job(tmp_path))
    else:
        assert not resumed(study, job(tmp_path), note=_silent).finished_before


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("options", [{}, {"take_over": True}])
def test_files_with_a_studys_names_are_refused_where_no_session_began(tmp_path, resume, options):
    mine = {"trials.parquet": "thesis", "source/climbing.py": "secret"}
    store = Store(tmp_path / "studies").folder("s")
    for path, text in mine.items():
        store.write(path, text)
    with pytest.raises(StorageError, match=r"belong to no study: source/climbing\.py, trials\.parquet\. Nothing was"):
        run(job(tmp_path), storage=tmp_path / "studies", resume=resume, **options)
    assert {path: store.read_text(path) for path in store.files()} == mine


def test_a_study_killed_before_it_was_written_starts_again(tmp_path):
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
    left = [Path(study.uri) / name for name in (".writing-trials.parquet-1", "checkpoints/0000/.writing-000003.ckpt-2")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    resumed(study, job(tmp_path))
    assert not [file for file in left if file.exists()]


def test_of_two_drivers_that_start_together_one_writes_nothing(tmp_path):
    winner = job(tmp_path)

    # A space of constants has fewer trials than its budget: the loser notes that just before it would start.
    loser = winner.replaced({"space": {"y": 1.0}})

    def at_the_same_moment(_reported: str) -> None:
        run(winner, storage=tmp_path / "studies")

    with pytest.raises(Superseded, match="has just begun session 1"):
        run(loser, storage=tmp_path / "studies", note=at_the_same_moment)
    assert "x" in load_study(Store(tmp_path / "studies").folder("s")).space


def test_a_study_without_its_sessions_is_not_started_again(study, tmp_path):
    study.delete("sessions/0001.json")
    with pytest.raises(StorageError, match="have rows of session 1, and sessions/ has no file"):
        resumed(study, job(tmp_path))


def test_a_driver_that_is_a_zombie_is_dead(study, tmp_path):
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


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (JOB.replace("for step", "# uphill\n    for step"), "climbing.py"),
        (JOB.replace("(config)", "( config )"), "climbing.py"),
        (JOB, "renamed.py"),
    ],
)
def test_a_comment_and_another_file_name_change_nothing(study, tmp_path, text, file):
    resumed(study, job(tmp_path, text, file))
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert (Path(study.uri) / "source/climbing.py").read_text() == JOB


def test_changed_code_is_refused_with_the_difference(study, tmp_path):
    with pytest.raises(StudyChanged) as error:
        resumed(study, job(tmp_path, JOB.replace("+ step", "- step")))
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
    resumed(study, job(tmp_path, text, "late_job.py"))
    late.write_text("v = 5\n")
    changed = job(tmp_path, text, "late_job.py").replaced({"budget.trials": 3})
    with pytest.raises(
        StudyChanged, match="is imported by the job, and must have the content that the study began with"
    ) as error:
        resumed(study, changed)
    assert path in str(error.value)
    assert "-v = 1" in error.value.difference
    assert "+v = 5" in error.value.difference
    resumed(study, changed, accept_changes=True)
    assert len(load_results(study.uri).trials) == 3
    assert study.read(f"source/{path}") == b"v = 5\n"
    assert load_results(study.uri).sessions[-1]["code_changes"] == [f"{path} has different content"]


def test_changed_code_continues_if_it_is_accepted(study, tmp_path):
    changed = JOB.replace("+ step", "- step")
    resumed(study, job(tmp_path, changed), accept_changes=True)
    assert (Path(study.uri) / "source/climbing.py").read_text() == changed
    results = load_results(study.uri)
    gain, step = results.epochs["score"] - results.epochs["config_x"], results.epochs["epoch"] - 1
    assert gain.to_list() == pytest.approx(step.where(step < 2, -step).to_list())
    assert results.epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert [session["code_changes"] for session in results.sessions] == [
        [],
        ["climbing:climb has different code"],
    ]


def test_a_changed_domain_is_named(study, tmp_path):
    changed = job(tmp_path, JOB.replace("Uniform(0, 1)", "Uniform(5, 6)"))
    with pytest.raises(StudyChanged, match=r"space\.x: must stay .*'high': 1"):
        resumed(study, changed)
    resumed(study, changed.replaced({"budget.trials": 4}), accept_changes=True)
    results = load_results(study.uri)
    _, change = results.sessions[-1]["code_changes"]
    assert re.fullmatch(r"x is .*'high': 6.* instead of .*'high': 1.*", change)
    drawn = results.trials["config_x"]
    assert (drawn[:2] < 1).all()
    assert (drawn[2:] >= 5).all()


def test_another_parameter_cannot_be_accepted(study, tmp_path):
    changed = job(tmp_path, JOB.replace('{"x": Uniform(0, 1)}', '{"x": Uniform(0, 1), "y": 3}'))
    with pytest.raises(StudyChanged, match=r"space\.y: must stay 'left out'"):
        resumed(study, changed, accept_changes=True)


def test_the_seed_cannot_change(study, tmp_path):
    with pytest.raises(StudyChanged, match="seed: must stay 0"):
        resumed(study, job(tmp_path).replaced({"seed": 1}), accept_changes=True)


def test_start_configs_can_be_appended_until_the_searcher_draws(tmp_path):
    starts = [{"x": 0.1}, {"x": 0.2}]
    begun = job(tmp_path).replaced({"start_with": starts})
    run(begun, storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    more = begun.replaced({"start_with": [*starts, {"x": 0.3}], "budget.trials": 4})
    resumed(study, more)
    drawn = list(load_results(study.uri).trials["config_x"])
    assert drawn[:3] == [0.1, 0.2, 0.3]
    at_once = run(more.replaced({"name": "t"}), storage=tmp_path / "studies")
    assert drawn == list(at_once.trials["config_x"])
    with pytest.raises(StudyChanged, match="start_with: must stay"):
        resumed(study, more.replaced({"start_with": [*starts, {"x": 0.3}, {"x": 0.4}]}))


def test_a_resume_keeps_and_reports_the_studys_own_budget(study, tmp_path):
    reported: list[str] = []
    changed = job(tmp_path, JOB.replace("epochs=2", "epochs=30"))
    with notes_to(reported.append):
        assert with_study_settings(changed, study).budget == Budget(trials=2, epochs=2)
        with_study_settings(changed, study, changed=["budget.epochs"])
    assert reported == ["The study keeps its own budget unless an option changes it: epochs 2, not 30."]


@pytest.mark.long
def test_a_study_continues_under_the_name_of_its_folder(study, tmp_path):
    Path(study.uri).rename(tmp_path / "studies/copy")
    store = Store(tmp_path / "studies").folder("copy")
    again, _ = reconciled(load_study(store).replaced({"name": "copy", "budget.epochs": 3}), load_study(store))
    run(again, storage=tmp_path / "studies", resume=True)
    assert len(load_results(store.uri).epochs) == 6


def test_a_hyperband_study_keeps_the_rungs_with_which_it_began(tmp_path: Path) -> None:
    named = job(tmp_path, JOB.replace('"fifo"', '"hyperband"'))
    grown = named.replaced({"scheduler": {"kind": "hyperband", "grace_period": 1}, "budget.epochs": 32})
    divided = named.replaced({"budget.epochs": 32}).resolved()
    longer = named.replaced({"budget.epochs": 64})
    rungs = [reconciled(longer, saved)[0].scheduler.rungs(64) for saved in (grown, divided)]
    assert rungs == [(1, 3, 9, 27), (1, 4, 11, 32)]
    with pytest.raises(StudyChanged, match="must stay"):
        reconciled(longer.replaced({"scheduler.max_epochs": 64}), divided)
