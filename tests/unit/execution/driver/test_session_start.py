"""What a session starts from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.errors import StorageError, StudyChanged, StudyExists
from pipeline.execution.driver.resume import SessionStart, replace_abandoned, session_start
from pipeline.storage import Store
from pipeline.storage.lease import Lease
from pipeline.study import TuneJob, save_study
from pipeline.study.contents import remove
from tests.unit.execution.driver.resumed_study import JOB, finished, job, resumed


def _start(tuned: TuneJob, folder: Path, **options: Any) -> SessionStart:
    defaults = {"resume": True, "accept_changes": False, "take_over": False, "note": lambda _: None}
    return session_start(tuned, Store(folder / "studies").folder("s"), folder / "studies", **{**defaults, **options})


def test_a_new_study_starts_from_nothing(tmp_path: Path) -> None:
    """A new study has no saved job, no session and no state."""
    start = _start(job(tmp_path), tmp_path)
    assert (start.saved, start.last, dict(start.state), start.finished, start.replaces) == (
        None,
        None,
        {},
        False,
        False,
    )


def test_a_finished_study_is_finished_until_its_budget_changes(tmp_path: Path) -> None:
    """A finished study starts from its end; with a larger budget, from the state of its trials."""
    finished(tmp_path)
    assert _start(job(tmp_path), tmp_path).finished
    larger = _start(job(tmp_path).replaced({"budget.epochs": 4}), tmp_path)
    assert not larger.finished
    assert (larger.last["number"], len(larger.state["trials"])) == (1, 2)


def test_changes_that_a_finished_study_does_not_use_are_noted(tmp_path: Path) -> None:
    """A finished study refuses another job as any study does, and notes accepted changes, which have no effect."""
    store = finished(tmp_path)
    assert _start(job(tmp_path), tmp_path).changes_without_effect is None
    changed = job(tmp_path, JOB.replace("+ step", "- step"), "falling.py")
    with pytest.raises(StudyChanged):
        _start(changed, tmp_path)
    notes = list[str]()
    outcome = resumed(store, changed, accept_changes=True, epochs=2, note=notes.append)
    assert outcome.finished_before
    assert notes == [
        "The study 's' is finished and trains nothing, so these changes have no effect: falling.py, which defines "
        "climb, has different code. With a larger budget and --accept-changes (in Python: accept_changes=True) it "
        "resumes with them."
    ]


def test_a_renamed_function_of_a_notebook_is_a_change_that_can_be_accepted(tmp_path: Path) -> None:
    """A study of a function without a file refuses one of another name as a change, and continues if it is accepted."""

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


def test_start_configs_that_a_finished_study_does_not_try_are_noted(tmp_path: Path) -> None:
    """Start configs that are appended to a finished study are not tried, which is noted."""
    started = job(tmp_path).replaced({"start_with": [{"x": 0.5}], "budget.total_epochs": 1})
    run(started, storage=tmp_path / "studies", note=lambda _: None)
    more = started.replaced({"start_with": [{"x": 0.5}, {"x": 0.25}]})
    note = _start(more, tmp_path).changes_without_effect
    assert note is not None
    assert note.endswith("start_with has 2 configs instead of 1. With a larger budget it resumes with them.")


def test_a_study_without_epochs_is_replaced(tmp_path: Path) -> None:
    """A study without epochs whose driver is gone is replaced, unless it is to be resumed."""
    _abandoned(tmp_path)
    assert _start(job(tmp_path), tmp_path, resume=False).replaces
    assert not _start(job(tmp_path), tmp_path).replaces


def test_a_study_that_another_driver_has_begun_is_not_replaced(tmp_path: Path) -> None:
    """A study without epochs is deleted to be replaced, unless another driver has trained an epoch of it meanwhile."""
    store = finished(tmp_path)
    rows = {path: store.read(path) for path in store.files("epochs")}
    for path in (*rows, *store.files("checkpoints")):
        store.delete(path)
    start = _start(job(tmp_path), tmp_path, resume=False)
    for path, content in rows.items():
        store.write(path, content)
    with pytest.raises(StudyExists):
        replace_abandoned(store, start.job, print)
    assert store.files("epochs") == list(rows)
    for path in rows:
        store.delete(path)
    replace_abandoned(store, start.job, print)
    assert store.files() == []


def test_a_driver_that_begins_while_a_study_is_replaced_keeps_its_files(tmp_path: Path) -> None:
    """Of two drivers that replace a study at the same time, the second one deletes nothing of the first one."""
    store = _abandoned(tmp_path)
    tuned = job(tmp_path)
    other = Lease(store, 1)

    def begin(_: str) -> None:
        remove(store)
        other.write("running", {}, resume="null")
        save_study(store, tuned)

    with pytest.raises(StudyExists, match="Another driver has just begun the study 's'"):
        replace_abandoned(store, tuned, begin)
    other.check()
    assert store.files() == ["sessions/0001.json", "source/climbing.py", "study.json"]


def test_the_claim_of_another_driver_stays_while_a_study_is_replaced(tmp_path: Path) -> None:
    """What a driver writes to take a session's number is not deleted by another one that replaces the study."""
    store = _abandoned(tmp_path)
    claim = "sessions/.writing-0001.json-0123abcd"
    replace_abandoned(store, job(tmp_path), lambda _: store.write(claim, "claim") and None)
    assert [entry.path for entry in store.entries() if entry.kind == "file"] == [claim]


def _abandoned(folder: Path) -> Store:
    """A study without epochs whose driver is gone."""
    store = finished(folder)
    for path in (*store.files("epochs"), *store.files("checkpoints")):
        store.delete(path)
    return store


def test_a_state_without_a_number_of_decisions_is_refused(tmp_path: Path) -> None:
    """A state whose number of decisions is not a number is refused with the session's file."""
    store = finished(tmp_path)
    session = store.read_json("sessions/0001.json")
    session["resume"]["decided"] = "many"
    store.write("sessions/0001.json", json.dumps(session))
    with pytest.raises(StorageError, match=r"sessions/0001\.json \(it decided 'many'\)"):
        _start(job(tmp_path).replaced({"budget.epochs": 4}), tmp_path)
