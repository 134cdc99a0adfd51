"""What a session starts from: which driver begins it, in which folder, with which changes."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, TuneJob, load_results, run
from pipeline.errors import StorageError, StudyChanged, StudyExists, Superseded
from pipeline.execution.start import SessionStart, reconciled, session_start, with_study_settings
from pipeline.storage import Store, layout
from pipeline.storage.sessions import identity
from pipeline.study import load_study, save_study
from pipeline.study.files import saved_job
from pipeline.text import notes_to
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
    (folder / file).write_text(text)
    return find(str(folder / file))


def ended(folder: Path) -> Store:
    run(job(folder), storage=folder / "studies")
    return Store(folder / "studies").folder("s")


def resumed(study: Store, changed: TuneJob, **options: Any) -> Any:
    return run(changed.replaced({"budget.epochs": 4}), storage=Path(study.uri).parent, resume=True, **options)


@pytest.fixture
def study(tmp_path: Path) -> Store:
    return ended(tmp_path)


def _start(tuned: TuneJob, folder: Path, **options: Any) -> SessionStart:
    defaults = {"resume": True, "accept_changes": False, "take_over": False}
    return session_start(tuned, Store(folder / "studies").folder("s"), **{**defaults, **options})


def test_a_study_that_has_ended_has_nothing_to_do_until_its_budget_changes(tmp_path: Path) -> None:
    ended(tmp_path)
    assert _start(job(tmp_path), tmp_path).nothing_to_do
    larger = _start(job(tmp_path).replaced({"budget.epochs": 4}), tmp_path)
    assert not larger.nothing_to_do
    assert (larger.last.number, len(larger.state["trials"])) == (1, 2)


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
        assert start.code_changes[0].startswith("function has changed to ")


@pytest.mark.parametrize(("resume", "options"), [(False, {}), (True, {"take_over": True})])
def test_files_with_a_studys_names_are_refused_where_no_session_began(tmp_path, resume, options):
    mine = {"trials.parquet": "thesis", "source/climbing.py": "secret"}
    store = Store(tmp_path / "studies").folder("s")
    for path, text in mine.items():
        store.write(path, text)
    with pytest.raises(StorageError, match=r"belong to no study: source/climbing\.py, trials\.parquet\. Nothing was"):
        run(job(tmp_path), storage=tmp_path / "studies", resume=resume, **options)
    assert {path: store.read_text(path) for path in store.files()} == mine


def test_of_two_drivers_that_start_together_one_writes_nothing(tmp_path):
    winner = job(tmp_path)

    # The loser notes that a list is one value just before it would start.
    loser = winner.replaced({"space": {"y": [1, 2]}})

    def at_the_same_moment(_reported: str) -> None:
        run(winner, storage=tmp_path / "studies")

    with pytest.raises(Superseded, match="has just begun session 1"):
        run(loser, storage=tmp_path / "studies", note=at_the_same_moment)
    assert "x" in load_study(Store(tmp_path / "studies").folder("s")).space


def test_a_study_without_its_sessions_is_not_started_again(study, tmp_path):
    study.delete("sessions/0001.json")
    with pytest.raises(StorageError, match="rows of session 1, but no file"):
        resumed(study, job(tmp_path))


def test_a_live_driver_is_replaced_only_on_request(study, tmp_path):
    path, own, notes = layout.session(1), identity(), []
    running = {"state": "running", "ended": None, "mark": None}
    study.write(path, json.dumps({**study.read_json(path), **running}))
    with pytest.raises(StudyExists):
        resumed(study, job(tmp_path))
    resumed(study, job(tmp_path), take_over=True, note=notes.append)
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    (note,) = notes
    assert note.startswith(f"Session 1 is taken over: process {own['pid']} on {own['host']}, ")


@pytest.mark.parametrize("options", [{}, {"take_over": True}])
def test_a_session_that_cannot_be_read_is_named_and_nothing_is_written(study, tmp_path, options):
    study.write(layout.session(1), study.read_text(layout.session(1)).replace('"started":"', '"started":"yesterday'))
    before = {path: study.read(path) for path in study.files()}
    with pytest.raises(StorageError, match=r"sessions/0001\.json"):
        resumed(study, job(tmp_path), **options)
    assert {path: study.read(path) for path in study.files()} == before


def test_a_comment_and_another_file_name_change_nothing(study, tmp_path):
    text = JOB.replace("for step", "# uphill\n    for step")
    resumed(study, job(tmp_path, text, "renamed.py"))
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert (Path(study.uri) / "source/renamed.py").read_text() == text


def test_changed_code_that_is_imported_only_while_it_runs_is_refused(tmp_path, monkeypatch):
    path, folder, within = "lib/late_one.py", "/lib", "import late_one"
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
    resumed(study, changed, accept_changes=True)
    assert len(load_results(study.uri).trials) == 3
    assert study.read(f"source/{path}") == b"v = 5\n"
    assert load_results(study.uri).sessions[-1].code_changes[0].startswith(f"{path} has changed")


def test_changed_code_is_refused_until_it_is_accepted(study, tmp_path):
    changed = JOB.replace("+ step", "- step")
    with pytest.raises(StudyChanged) as error:
        resumed(study, job(tmp_path, changed))
    assert [fault.field for fault in error.value.faults] == ["function"]
    assert "tunepipe resume NAME" in str(error.value)
    assert len(load_results(study.uri).epochs) == 4
    resumed(study, job(tmp_path, changed), accept_changes=True)
    assert (Path(study.uri) / "source/climbing.py").read_text() == changed
    results = load_results(study.uri)
    gain, step = results.epochs["score"] - results.epochs["config_x"], results.epochs["epoch"] - 1
    assert gain.to_list() == pytest.approx(step.where(step < 2, -step).to_list())
    assert results.epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert [session.code_changes for session in results.sessions] == [[], ["function has changed to climbing:climb"]]


def test_a_changed_domain_is_named(study, tmp_path):
    changed = job(tmp_path, JOB.replace("Uniform(0, 1)", "Uniform(5, 6)"))
    with pytest.raises(StudyChanged, match=r"space\.x: must stay .*'high': 1"):
        resumed(study, changed)
    resumed(study, changed.replaced({"budget.trials": 4}), accept_changes=True)
    results = load_results(study.uri)
    (change,) = results.sessions[-1].code_changes
    assert re.match(r"space\.x has changed to .*'high': 6", change)
    drawn = results.trials["config_x"]
    assert (drawn[:2] < 1).all()
    assert (drawn[2:] >= 5).all()


def test_another_parameter_and_another_seed_cannot_be_accepted(study, tmp_path):
    changed = job(tmp_path, JOB.replace('{"x": Uniform(0, 1)}', '{"x": Uniform(0, 1), "y": 3}'))
    with pytest.raises(StudyChanged) as error:
        resumed(study, changed.replaced({"seed": 1}), accept_changes=True)
    assert {"space.y", "seed"} <= {fault.field for fault in error.value.faults}


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
    again, _ = reconciled(job(tmp_path).replaced({"name": "copy", "budget.epochs": 3}), saved_job(store), store=store)
    run(again, storage=tmp_path / "studies", resume=True)
    assert len(load_results(store.uri).epochs) == 6


def test_a_hyperband_study_keeps_the_rungs_with_which_it_began(tmp_path: Path) -> None:
    named = job(tmp_path, JOB.replace('"fifo"', '"hyperband"'))
    divided = named.replaced({"budget.epochs": 32}).resolved()
    longer = named.replaced({"budget.epochs": 64})
    store = Store(tmp_path / "saved")
    save_study(store, divided)
    saved = saved_job(store)
    assert reconciled(longer, saved, store=store)[0].scheduler == divided.scheduler
    with pytest.raises(StudyChanged, match="must stay"):
        reconciled(longer.replaced({"scheduler.max_epochs": 64}), saved, store=store)
