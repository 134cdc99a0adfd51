"""Whole studies in this process: real workers and files, without Ray and Keras."""

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Choice, Grid, Objective, TuneJob, load_results, run
from pipeline.errors import StorageError, UsageError
from pipeline.execution import run as run_module
from pipeline.execution.driver import record
from pipeline.storage import Store, sessions
from pipeline.storage.sessions import Lease
from pipeline.study.files import STORAGE_WAIT_VARIABLE
from pipeline.text import notes_to

CURVES = {
    "tie late": [0.1, 0.2, 0.9, 0.3],
    "tie early": [0.1, 0.9, 0.2, 0.3],
    "fails": [0.1, 0.95, math.nan, 0.0],
    "good": [0.2, 0.6, 0.5, 0.4],
    "steady": [0.1, 0.2, 0.3, 0.4],
}


def along(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A recorded curve."""
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
    """An epoch that lasts until it is released."""
    BEGUN.set()
    yield {"score": float(RELEASED.wait(60))}


def job(*curves: str, **fields: Any) -> TuneJob:
    """A trial for each of those curves."""
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


@pytest.mark.parametrize(
    ("curves", "best"),
    [(("tie late", "tie early"), ("0001", 2)), (("good", "fails"), ("0000", 2)), (("fails", "good"), ("0001", 2))],
)
def test_the_weights_of_the_best_epoch_are_kept(curves, best, tmp_path):
    run(job(*curves, function=keeping), storage=tmp_path)
    winner = load_results(tmp_path / "s").best
    assert (winner.trial_id, winner.epoch) == best
    assert (tmp_path / f"s/checkpoints/{winner.trial_id}/{winner.epoch:06d}.ckpt").is_file()


def test_anything_but_a_job_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"run\(\) takes a TuneJob; found an object of type Store\."):
        run(Store(tmp_path))


def test_finished_trials_continue_with_more_epochs(tmp_path):
    run(job("good", "steady", budget=Budget(trials=2, epochs=2)), storage=tmp_path)
    run(job("good", "steady", budget=Budget(trials=2, epochs=4)), storage=tmp_path, resume=True)
    epochs = load_results(tmp_path / "s").epochs
    assert epochs.groupby("trial_id")["epoch"].apply(list).to_list() == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert epochs["score"].to_list() == [*CURVES["good"], *CURVES["steady"]]


ENDED: list[str] = []


def writing(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Two steps, and code after them."""
    for step in range(2):
        yield {"score": CURVES[str(config["curve"])][step]}
    ENDED.append(config["curve"])


@pytest.mark.parametrize(
    ("epochs", "scheduler"),
    [(2, name) for name in ("fifo", "promoting-asha", "hyperband")]
    # Where trials pause, one that is not promoted is not asked for the step after its last.
    + [(4, "fifo"), (4, "asha")],
)
def test_the_code_after_the_last_step_runs_once(epochs, scheduler, tmp_path):
    ENDED.clear()
    changes = {} if scheduler == "fifo" else {"scheduler.reduction_factor": 2}
    changes |= {} if scheduler in ("fifo", "hyperband") else {"scheduler.grace_period": 1}
    several = job(
        "good", "steady", "tie late", "tie early", function=writing, scheduler=scheduler,
        budget=Budget(trials=4, epochs=epochs),
    ).replaced(changes)  # fmt: skip
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
    assert load_results(tmp_path / "first").state == "finished"
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


def test_a_study_without_untried_configs_finishes(tmp_path):
    space = {"curve": Choice([name for name in CURVES if name != "fails"])}
    results = run(job(space=space, searcher="random", budget=Budget(trials=16, epochs=4)), storage=tmp_path)
    (session,) = results.sessions
    assert (session["state"], session["message"]) == ("finished", "All 4 configs of the space were tried.")
    assert sorted(results.trials["config_curve"]) == sorted(space["curve"].values)
    again = job(space=space, searcher="random", budget=Budget(trials=16, epochs=4))
    assert len(run(again, storage=tmp_path, resume=True).sessions) == 1


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
