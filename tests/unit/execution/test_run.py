"""Whole studies in this process, without Ray and Keras: how they run and end, and what they leave of the process."""

import contextlib
import math
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Budget, Choice, Grid, Objective, Resources, TuneJob, Uniform, load_results, run
from pipeline.engine.commands import ChangeBudget
from pipeline.engine.messages import Report
from pipeline.errors import Interrupted, StorageError, Superseded, UsageError
from pipeline.execution import run as run_module
from pipeline.execution.commands import outcomes, send
from pipeline.execution.driver import record
from pipeline.execution.run import failure_texts, recording_end
from pipeline.execution.start import SessionStart
from pipeline.storage import Store, layout, sessions
from pipeline.storage.sessions import Lease, read_sessions
from pipeline.study.files import STORAGE_WAIT_VARIABLE
from pipeline.text import notes_to
from tests.recorded_curves import row

CURVES = {
    "tie late": [0.1, 0.2, 0.9, 0.3],
    "tie early": [0.1, 0.9, 0.2, 0.3],
    "fails": [0.1, 0.95, math.nan, 0.0],
    "good": [0.2, 0.6, 0.5, 0.4],
    "steady": [0.1, 0.2, 0.3, 0.4],
}


def along(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for value in CURVES[str(config["curve"])]:
        yield {"score": value}


def keeping(config: Mapping[str, Any], state: Any) -> Iterator[tuple[dict[str, float], dict[str, int]]]:
    for step, value in enumerate(CURVES[str(config["curve"])][state["step"] if state else 0 :]):
        yield {"score": value}, {"step": step + 1}


BEATEN = threading.Event()


def waiting(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": float(BEATEN.wait(60))}


BEGUN, RELEASED = threading.Event(), threading.Event()


def held(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    BEGUN.set()
    yield {"score": float(RELEASED.wait(60))}


def job(*curves: str, **fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {
        "name": "s",
        "function": along,
        "space": {"curve": Grid(curves or ("steady",))},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "searcher": "grid",
        "budget": Budget(trials=4, epochs=4),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


def test_the_weights_of_the_best_epoch_are_kept(tmp_path):
    run(job("fails", "good", function=keeping), storage=tmp_path)
    winner = load_results(tmp_path / "s").best
    assert (winner.trial_id, winner.epoch) == ("0001", 2)
    assert (tmp_path / f"s/checkpoints/{winner.trial_id}/{winner.epoch:06d}.ckpt").is_file()


def test_anything_but_a_job_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"run\(\) takes a TuneJob; found an object of type Store\."):
        run(Store(tmp_path))


def test_completed_trials_continue_with_more_epochs(tmp_path):
    run(job("good", "steady", budget=Budget(trials=2, epochs=2)), storage=tmp_path)
    run(job("good", "steady", budget=Budget(trials=2, epochs=4)), storage=tmp_path, resume=True)
    epochs = load_results(tmp_path / "s").epochs
    assert epochs.groupby("trial_id")["epoch"].apply(list).to_list() == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert epochs["score"].to_list() == [*CURVES["good"], *CURVES["steady"]]


ENDED: list[str] = []


def writing(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for step in range(2):
        yield {"score": CURVES[str(config["curve"])][step]}
    ENDED.append(config["curve"])


# Where trials pause, one that is not promoted is not asked for the step after its last.
@pytest.mark.parametrize(("epochs", "scheduler"), [(2, "promoting-asha"), (4, "asha")])
def test_the_code_after_the_last_step_runs_once(epochs, scheduler, tmp_path):
    ENDED.clear()
    several = job(
        "good", "steady", "tie late", "tie early", function=writing, budget=Budget(trials=4, epochs=epochs),
        scheduler={"kind": scheduler, "reduction_factor": 2, "grace_period": 1},
    )  # fmt: skip
    run(several, storage=tmp_path, note=lambda _: None)
    trials = load_results(tmp_path / "s").trials
    ended = [trial["config_curve"] for trial in trials.to_dict("records") if trial["epochs"] == 2]
    assert sorted(ENDED) == sorted(ended)
    assert ended


def test_a_second_study_at_the_same_time_is_refused(tmp_path):
    first = threading.Thread(
        target=run, args=(job(function=held, name="first"),), kwargs={"storage": tmp_path, "note": lambda _: None}
    )
    first.start()
    assert BEGUN.wait(60)
    try:
        with pytest.raises(UsageError, match="Another thread of this process is running a study"):
            run(job(), storage=tmp_path)
    finally:
        RELEASED.set()
        first.join()
    assert load_results(tmp_path / "first").state == "ended"
    assert run(job(), storage=tmp_path).best.value == 0.4


def test_a_driver_that_trains_a_long_epoch_has_a_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 0.06)
    monkeypatch.setattr(record, "BEAT_SECONDS", 0.0)
    publish = Lease.write

    def published(*arguments, **named):
        publish(*arguments, **named)
        if threading.current_thread() is not threading.main_thread():
            BEATEN.set()

    monkeypatch.setattr(Lease, "write", published)
    run(job(function=waiting, budget=Budget(trials=1, epochs=1)), storage=tmp_path)
    assert BEATEN.is_set()


def test_a_study_without_untried_configs_ends(tmp_path):
    space = {"curve": Choice([name for name in CURVES if name != "fails"])}
    results = run(job(space=space, searcher="random", budget=Budget(trials=16, epochs=4)), storage=tmp_path)
    (session,) = results.sessions
    assert (session.state, session.message) == ("ended", "Every config of the space was tried: 4.")
    assert sorted(results.trials["config_curve"]) == sorted(space["curve"].values)
    again, notes = job(space=space, searcher="random", budget=Budget(trials=16, epochs=4)), list[str]()
    assert len(run(again, storage=tmp_path, resume=True).sessions) == 1
    run(again.replaced({"budget.trials": 2}), storage=tmp_path, resume=True, note=notes.append)
    assert notes == ["The study has 4 trials, more than its budget of 2: no trial is added."]


def test_a_new_study_notes_what_its_job_does_not_say(tmp_path):
    notes: list[str] = []

    def typed(config):
        yield {"score": 1.0}

    run(job(function=typed, space={"x": 1, "shape": [8, 9]}, searcher="random"), storage=tmp_path, note=notes.append)
    for text in ("Not defined in a file that the study can copy", "shape is a list"):
        assert [note for note in notes if text in note], text


AWAY = StorageError("Cannot look at s3://b/s: no server. Fix that, or choose another storage with --storage.")


@pytest.mark.parametrize("waits", ["1", ""])
def test_a_driver_waits_for_a_storage_that_does_not_answer(waits, monkeypatch):
    monkeypatch.setattr(run_module, "_POLL_SECONDS", 0.0)
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, waits)
    answers, notes = [AWAY, AWAY, False], []

    def exists(_store, _path):
        if (answer := answers.pop(0)) is AWAY:
            raise AWAY
        return answer

    monkeypatch.setattr(Store, "exists", exists)
    with notes_to(notes.append), contextlib.nullcontext() if waits else pytest.raises(StorageError):
        run_module.wait_for_storage("/s")
    assert (len(answers), len(notes)) == ((0, 1) if waits else (2, 0))


def _state() -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "sys.path": list(sys.path),
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "streams": [repr(each) for each in (sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)],
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }


def drawing(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    os.environ["DRAWN"] = "1"
    yield {"loss": config["x"] + random.random() + np.random.rand()}


def test_a_study_in_this_process_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAWN", "1")
    job = TuneJob(
        name="s", function=drawing, objectives=[Objective("loss", "min")], space={"x": Uniform(0.0, 1.0)},
        budget=Budget(trials=2, epochs=1), resources=Resources(workers=0),
    )  # fmt: skip
    before = _state()
    run(job, storage=tmp_path, note=lambda _: None)
    assert _state() == before


def test_a_command_that_comes_too_late_gets_an_outcome(study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))
    with recording_end(s.session, new=True):
        s.session.begin()
        s.play(lambda _t, _c, e: float(e))
        name = send(s.store, ChangeBudget(trials=20))
    assert str(outcomes(s.store)[name]).startswith("Not executed: the study is ending")


@pytest.mark.parametrize(
    "failure", [None, "NotEvaluated: The model is exported.\n\nTraceback (most recent call last):"]
)
def test_a_failed_export_of_the_winner_is_recorded(failure: str | None, study) -> None:
    s = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    with recording_end(s.session, new=True):
        s.session.begin()
        trial = s.session.next().trial_id
        s.session.on_report(trial, Report((row(1, 0.5),), last=True))
        winner = s.session.next()
        assert (
            s.session.on_report(winner.trial_id, Report(exported={} if failure is None else None, failure=failure))
            == "stop"
        )
    (session,) = read_sessions(s.store)
    assert (session.state, session.export_failure) == (
        "ended",
        "" if failure is None else "NotEvaluated: The model is exported.",
    )
    # A resume exports it.
    assert SessionStart(s.session.job, s.session.job, session).nothing_to_do == (failure is None)


def test_a_failed_trial_is_reported_once_with_what_it_printed(study) -> None:
    s = study(budget=Budget(trials=3, epochs=3))
    s.session.begin()
    for number in range(3):
        s.store.write(f"logs/{number:04d}.log", "a line of the user's\n")
        s.session.on_report(s.session.next().trial_id, Report(failure=f"ValueError: {number}."))
    (text,) = failure_texts(s.session)
    assert text.splitlines() == ["Trial 0000 failed: ValueError: 0.", "  a line of the user's"]


@pytest.mark.parametrize("asked", [False, True])
def test_only_a_stop_that_a_user_asked_for_is_final(asked: bool, study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def interrupted() -> None:
        with recording_end(s.session, new=True):
            s.session.begin()
            if asked:
                s.store.write(layout.stop_request(s.session.lease.number), "{}")
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as raised:
        interrupted()
    assert raised.value.final is asked


@pytest.mark.parametrize("command", ["resume", "submit"])
def test_an_interrupted_study_is_resumed_as_it_was_begun(command: str, study, monkeypatch) -> None:
    if command == "submit":
        monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "1")
    s = study(budget=Budget(trials=1, epochs=3))

    def interrupted() -> None:
        with recording_end(s.session, new=False):
            s.session.begin()
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=f"`tunepipe {command}"):
        interrupted()


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_storage_that_fails_at_the_end_is_not_final(interrupted: bool, study, monkeypatch) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def failed() -> None:
        with recording_end(s.session, new=True):
            s.session.begin()
            s.play(lambda _t, _c, e: float(e))
            monkeypatch.setattr(s.store, "write_table", away)
            if interrupted:
                raise KeyboardInterrupt

    def away(*_: object) -> None:
        raise StorageError("away")

    with pytest.raises(StorageError, match="away") as raised:
        failed()
    assert not raised.value.final


@pytest.mark.parametrize(("error", "reported"), [(StorageError("full"), Superseded), (UsageError("no"), UsageError)])
def test_an_error_after_a_takeover_leaves_the_study_to_the_other_driver(study, error: Any, reported: Any) -> None:
    s = study(budget=Budget(trials=1, epochs=3))
    s.session.begin()
    s.session.lease.check()
    s.store.write("sessions/0002.json", b"{}")
    with pytest.raises(reported), recording_end(s.session, new=True):
        raise error
    assert s.store.read("sessions/0002.json") == b"{}"
