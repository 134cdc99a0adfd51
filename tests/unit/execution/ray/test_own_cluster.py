"""The study's own Ray on this machine."""

import os
from typing import Any

import pytest
import ray

from pipeline.errors import ClusterError
from pipeline.execution.ray import own_cluster
from pipeline.execution.ray.internals import SLOW_START
from pipeline.study import TuneJob
from tests.unit.execution.preflight.facts import job, steps


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What happens at each start: None for one that works, or an error; what is left was not tried."""
    outcomes: list[Any] = []
    arguments: list[Any] = []

    def init(*given: Any, **named: Any) -> None:
        arguments.append((given, named))
        if (error := outcomes.pop(0)) is not None:
            raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: arguments.append("ended"))
    outcomes.append(arguments)
    return outcomes


def _started(outcomes: list[Any], started: TuneJob, workers: int = 2) -> list[Any]:
    arguments: list[Any] = outcomes.pop(0)
    own_cluster.start(started, workers)
    return arguments


def test_it_has_the_cpus_that_the_workers_take(starts: list[Any]) -> None:
    """A local cluster has the CPUs of the workers, joins no other cluster, and preloads what trials import."""
    starts.append(None)
    ((given, named),) = _started(starts, job(resources={"cpus": 1.5}), workers=3)
    assert given == ("local",)
    assert named["num_cpus"] == 5
    assert "pipeline.execution.ray.preload" in str(named)


def test_workers_of_a_function_import_no_keras(starts: list[Any]) -> None:
    """Workers of a study that minimises a function do not import Keras."""
    starts.append(None)
    ((_, named),) = _started(starts, job(function=steps, scheduler="fifo"))
    assert "pipeline.execution.ray.preload" not in str(named)
    assert "pipeline.execution.ray.trainable" in str(named)


@pytest.mark.parametrize(
    ("cpus", "given", "threads"), [(1, None, "1"), (0.5, None, "1"), (3, None, "3"), (3, "8", "8")]
)
def test_libraries_for_matrices_use_the_cpus_of_a_trial(
    monkeypatch: pytest.MonkeyPatch, cpus: float, given: str | None, threads: str
) -> None:
    """Processes of Ray start with as many threads for matrices as a trial has CPUs, unless the user says how many."""
    seen: list[str | None] = []
    monkeypatch.setattr(ray, "init", lambda *_, **__: seen.append(os.environ.get("OMP_NUM_THREADS")))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    own_cluster.start(job(resources={"cpus": cpus}), 1)
    assert seen == [threads]
    assert os.environ.get("OMP_NUM_THREADS") == given


def test_a_slow_start_is_tried_again(starts: list[Any]) -> None:
    """A slow start of Ray is ended and tried a second time."""
    starts += [Exception(f"The node {SLOW_START}."), None]
    assert [each == "ended" for each in _started(starts, job())] == [False, True, False]


def test_two_slow_starts_are_reported_with_what_to_do(starts: list[Any]) -> None:
    """After two slow starts of Ray, the error has Ray's own message and a remedy."""
    starts += [Exception(f"The node {SLOW_START}.")] * 2
    with pytest.raises(ClusterError, match=rf"in 2 attempts: The node {SLOW_START}\..*--workers 0"):
        _started(starts, job())


def test_another_error_is_not_hidden(starts: list[Any]) -> None:
    """An error of Ray's start other than a slow start is raised."""
    starts += [ValueError("no")]
    with pytest.raises(ValueError, match="no"):
        _started(starts, job())
