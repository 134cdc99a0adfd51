"""Commands to a driver: sent to a study's folder, executed once, and answered."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pipeline.engine.command_execution import execute

from pipeline.engine.commands import ChangeBudget, Continue, Enqueue, Pause, StopTrial
from pipeline.engine.messages import Report
from pipeline.execution.command_files import is_paused, outcomes, running_session, send, wait_for_outcome
from pipeline.execution.driver import command_inbox
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.storage.sessions import read_sessions
from pipeline.study import layout, load_study
from tests.clocks import Leaping
from tests.unit.execution.recorded_curves import Study, row


@pytest.fixture
def begun(study: Any, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose driver may look for commands at any time."""
    monkeypatch.setattr(command_inbox, "time", Leaping())
    s: Study = study()
    s.session.begin()
    return s


def _step(s: Study, trial_id: str, epoch: int) -> str:
    return s.session.on_report(trial_id, Report((row(epoch, 0.5),), checkpoints=[(trial_id, epoch, 1)]))


def test_a_driver_executes_a_command_and_writes_its_outcome(begun: Study) -> None:
    """A driver executes a command at its next report and writes the outcome with the resulting state."""
    s, trial = begun, begun.session.next()
    assert trial is not None
    name = send(s.store, Enqueue(config={"x": 0.25}))
    assert outcomes(s.store) == {name: None}
    _step(s, trial.trial_id, 1)
    assert outcomes(s.store) == {name: "The config is tried next, as trial 0001."}
    assert wait_for_outcome(s.store, name) == "The config is tried next, as trial 0001."
    following = s.session.next()
    assert following is not None
    assert following.config == {"x": 0.25}


def test_a_driver_that_dies_before_it_has_written_the_outcome_has_done_nothing(begun: Study, tmp_path: Path) -> None:
    """A command that was executed but has no written outcome has left no trace in the stored state."""
    s = begun
    name = send(s.store, Enqueue(config={"x": 0.25}))
    execute(s.session.engine, name, Enqueue(config={"x": 0.25}))
    assert outcomes(s.store) == {name: None}
    state = read_sessions(s.store, resume=True)[-1]["resume"]
    assert state["enqueued"] == []
    assert state["outcomes"] == {}


def test_a_budget_is_that_of_the_study_from_then_on(begun: Study) -> None:
    """A changed budget is stored in study.json, where later sessions find it."""
    s, trial = begun, begun.session.next()
    assert trial is not None
    send(s.store, ChangeBudget(trials=9, seconds=100))
    _step(s, trial.trial_id, 1)
    budget = load_study(s.store, here=[s.session.job.function]).budget
    assert (budget.trials, budget.seconds) == (9, 100)
    assert s.session.job.budget == budget


def test_a_pause_is_for_one_session(begun: Study) -> None:
    """A pause applies only to the session that it names, and a command to continue ends it."""
    s, trial = begun, begun.session.next()
    assert trial is not None
    old = send(s.store, Pause(session=7))
    _step(s, trial.trial_id, 1)
    assert outcomes(s.store)[old] == "It was for session 7, which has ended."
    send(s.store, Pause(session=1))
    assert _step(s, trial.trial_id, 2) == "continue"
    assert (s.session.engine.paused is not None, is_paused(read_sessions(s.store, resume=True)[-1])) == (True, True)
    assert _step(s, trial.trial_id, 3) == "pause"
    assert s.session.next() is None
    assert not s.session.ended
    send(s.store, Continue(session=1))
    s.session.beat()
    assert not is_paused(read_sessions(s.store)[-1])
    again = s.session.next()
    assert again is not None
    assert (again.trial_id, s.session.engine.trials[again.trial_id].epoch) == (trial.trial_id, 3)


def test_the_final_evaluation_waits_for_a_paused_study(begun: Study) -> None:
    """The final evaluation waits while a study is paused, because it needs a worker."""
    s = begun
    send(s.store, Pause(session=1))
    s.session.beat()
    assert s.session.next() is None
    assert not s.session.final_evaluation.assigned


def test_an_invalid_command_does_not_end_the_study(begun: Study) -> None:
    """An invalid command does not end the study and gets an outcome under its id."""
    s, trial = begun, begun.session.next()
    assert trial is not None
    name = "20261126T095501584630-1ec8178b"
    s.store.write(layout.command(name), '{"kind": "format-disk"}')
    assert _step(s, trial.trial_id, 1) == "continue"
    assert str(outcomes(s.store)[name]).startswith("It is not a command")


def test_a_command_does_not_wait_for_a_dead_driver(tmp_path: Path) -> None:
    """Without a live driver, the outcome of a command is not waited for."""
    store = Store(tmp_path)
    now = datetime.now(UTC).isoformat()
    content = {"number": 1, "state": "finished", "started": now, "heartbeat": now, **identity()}
    store.write(layout.session(1), json.dumps(content))
    assert running_session(store) is None
    assert wait_for_outcome(store, send(store, StopTrial(trial_id="0000"))) is None
