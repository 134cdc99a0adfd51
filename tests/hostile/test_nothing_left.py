"""A failure before a study's first epoch leaves no study: its name is free, and the reason is printed."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import DataError, Interrupted, ModelError, NoTrialSucceeded, ResourcesUnmet, StudyExists
from tests.cases import cases
from tests.processes import receiving_signals


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    with receiving_signals():
        yield


def well(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": config["x"]}
    yield {"score": config["x"] * 2}


def raising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    print("about to fail")
    raise RuntimeError("the first step is the last")


def dying(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    print("about to die", flush=True)
    os._exit(11)
    yield {"score": 1.0}


def interrupting(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    yield {"score": 1.0}


def strange(config: Mapping[str, Any]) -> Iterator[Any]:
    yield "score"


def no_data() -> Any:
    raise OSError("the share is not mounted")


def other_data() -> Any:
    return [1, 2, 3]


def interrupted_data() -> Any:
    signal.raise_signal(signal.SIGINT)


def leaving_data() -> Any:
    raise SystemExit(7)


def no_model(config: Mapping[str, Any]) -> Any: ...


def job(function: Callable[..., Any] = well, **fields: Any) -> TuneJob:
    """Three trials in this process."""
    defaults: dict[str, Any] = {
        "name": "s",
        "function": function,
        "space": {"x": Uniform(0, 1)},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=3, epochs=2),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


def with_data(data: Callable[[], Any]) -> TuneJob:
    """A job of a model whose data function fails."""
    return job(function=None, model=no_model, data=data)


FAILURES = {
    "a function that raises": (job(raising), NoTrialSucceeded, "RuntimeError: the first step is the last"),
    "what a function yields": (job(strange), ModelError, "a dict of metric names and numbers"),
    "an unknown metric": (job(objectives=[Objective("loss", "min")]), ModelError, "not among the metrics: score"),
    "Ctrl-C in the first epoch": (job(interrupting), Interrupted, "was removed"),
    "resources": (job(resources={"workers": 0, "cpus": 1e6}), ResourcesUnmet, "requests 1e"),
    "a data function that raises": (with_data(no_data), DataError, "OSError: the share is not mounted"),
    "other data": (with_data(other_data), DataError, "must return"),
    "Ctrl-C while data are loaded": (with_data(interrupted_data), KeyboardInterrupt, "^$"),
    "a data function that exits": (with_data(leaving_data), DataError, "SystemExit: 7"),
}


@pytest.mark.parametrize(
    "failure", cases(FAILURES, ("a function that raises", "Ctrl-C in the first epoch", "a data function that raises"))
)
def test_a_failure_before_the_first_epoch_leaves_no_study(failure, tmp_path):
    fails, error, reported = FAILURES[failure]
    with pytest.raises(error, match=reported):
        run(fails, storage=tmp_path, note=lambda _: None)
    assert not (tmp_path / "s").exists()
    run(job(), storage=tmp_path)
    assert load_results(tmp_path / "s").state == "ended"


def test_a_failure_keeps_untracked_files(tmp_path):

    def meddled(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        (tmp_path / "s/notes.txt").write_text("mine")
        raise RuntimeError("no")
        yield {}

    with pytest.raises(NoTrialSucceeded):
        run(job(meddled), storage=tmp_path, note=lambda _: None)
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["notes.txt"]


def test_trials_that_fail_after_an_epoch_are_results(tmp_path):

    def late(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        yield {"score": float("nan") if config["x"] < 0 else 1.0}
        raise RuntimeError("later")

    with pytest.raises(NoTrialSucceeded, match="`tunepipe results` shows each error"):
        run(job(late), storage=tmp_path)
    assert len(load_results(tmp_path / "s").epochs) == 3
    with pytest.raises(StudyExists):
        run(job(), storage=tmp_path)


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("function", "reported"), [(raising, "in raising"), (dying, "The actor died unexpectedly")])
def test_the_output_of_workers_is_reported_before_it_is_deleted(function, reported, tmp_path):
    notes: list[str] = []
    with pytest.raises(NoTrialSucceeded, match="It was removed, and its name can be used again"):
        run(job(function, resources={"workers": 2}), storage=tmp_path, note=notes.append)
    assert not (tmp_path / "s").exists()
    assert reported in "\n".join(notes)
