"""The trainable around a worker."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.messages import Assignment, ProgressReport
from pipeline.execution.ray import trainable
from pipeline.execution.ray.job_transport import pack
from pipeline.execution.ray.trainable import ASSIGNMENT, REPORT, TrialTrainable
from pipeline.storage import Store
from pipeline.study import Budget, Objective, Resources, TuneJob, save_study


def climb(config: Any) -> Any:
    """A score that grows."""
    for step in range(1, 9):
        yield {"score": config["x"] * step}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialTrainable:
    """A trainable of a study, on a node of two CPUs, with the first trial."""
    node = SimpleNamespace(get_node_id=lambda: "n")
    nodes = [{"NodeID": "n", "Resources": {"CPU": 2.0}}]
    monkeypatch.setattr(trainable, "ray", SimpleNamespace(get_runtime_context=lambda: node, nodes=lambda: nodes))
    # Tune changes to the folder of its trial.
    (tmp_path / "of_tune").mkdir()
    monkeypatch.chdir(tmp_path / "of_tune")
    made = TrialTrainable.__new__(TrialTrainable)
    _set_up(made, Store(tmp_path / "s"))
    return made


def _set_up(made: TrialTrainable, store: Store, resources: Resources | None = None, **changes: Any) -> None:
    """Make a trainable a worker of a study that is stored."""
    job = TuneJob(
        name="s",
        function=climb,
        space={"x": 1.0},
        objectives=Objective("score", "max"),
        scheduler={"kind": "asha", "grace_period": 2},
        budget=Budget(trials=2, epochs=4),
        resources=resources or Resources(),
    )
    save_study(store, job)
    content, folders = pack(job)
    fields = {
        "job": content, "folders": folders, "data": None, "uri": store.uri, "session": 1,
        "started_in": str(Path(store.uri).parent), "workers": 1, "reserves_memory": False,
    }  # fmt: skip
    made.setup(_config("0000"), **{**fields, **changes})


@pytest.fixture
def sigterm_blocked() -> Iterator[None]:
    """SIGTERM is blocked, as in the processes of a study's own cluster."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("sigterm_blocked", "made")
def test_processes_that_a_trial_starts_heed_sigterm() -> None:
    """A process that a trial starts can be ended by SIGTERM, although Ray's own processes block it."""
    with subprocess.Popen(["sleep", "600"]) as started:
        started.terminate()
        assert started.wait(timeout=60) == -signal.SIGTERM


@pytest.mark.parametrize(("reserves_memory", "workers"), [(False, 20), (True, 7)])
def test_workers_of_a_node_are_those_that_ray_starts(
    monkeypatch: pytest.MonkeyPatch, made: TrialTrainable, tmp_path: Path, reserves_memory: bool, workers: int
) -> None:
    """Where trials reserve memory, as small ones in a pod, the workers that share a node are no more than fit it."""
    node = SimpleNamespace(get_node_id=lambda: "n")
    nodes = [{"NodeID": "n", "Resources": {"CPU": 2.0, "memory": 5.9e9}}]
    monkeypatch.setattr(trainable, "ray", SimpleNamespace(get_runtime_context=lambda: node, nodes=lambda: nodes))
    sharing: list[int] = []

    class Recorder:
        """A worker that trains nothing."""

        def __init__(self, *_: Any, workers_here: int, **__: Any) -> None:
            sharing.append(workers_here)

        def begin(self, _: Assignment) -> None:
            """Do nothing."""

    monkeypatch.setattr(trainable, "Worker", Recorder)
    small = Resources(cpus=0.1, memory_gigabytes=0.75)
    _set_up(made, Store(tmp_path / "small"), small, workers=100, reserves_memory=reserves_memory)
    assert sharing == [workers]


@pytest.mark.usefixtures("made")
def test_it_works_where_the_study_was_started(tmp_path: Path) -> None:
    """A worker reads relative paths from the folder in which the study was started."""
    assert Path.cwd() == tmp_path


def test_another_machine_uses_the_folder_that_ray_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that folder is missing, a worker uses the one in which Ray started it, and otherwise stays."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "working_dir").mkdir()
    monkeypatch.delenv("TUNE_ORIG_WORKING_DIR", raising=False)
    trainable.work_in("/nowhere")
    assert Path.cwd() == tmp_path
    monkeypatch.setenv("TUNE_ORIG_WORKING_DIR", str(tmp_path / "working_dir"))
    trainable.work_in("/nowhere")
    assert Path.cwd() == tmp_path / "working_dir"


def test_a_folder_that_another_user_owns_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a worker's user may not enter the folder in which the study was started, it uses the one of Ray."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "working_dir").mkdir()
    monkeypatch.setenv("TUNE_ORIG_WORKING_DIR", str(tmp_path / "working_dir"))
    monkeypatch.setattr(Path, "is_dir", _refused("/root/project", Path.is_dir))
    monkeypatch.setattr("os.chdir", _refused("/root/project", os.chdir))
    trainable.work_in("/root/project")
    assert Path.cwd() == tmp_path / "working_dir"


def _refused(forbidden: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that refuses a path as the operating system does."""

    def refusing(path: Any) -> Any:
        if str(path) == forbidden:
            raise PermissionError(13, "Permission denied", forbidden)
        return function(path)

    return refusing


def _config(trial_id: str) -> dict[str, str]:
    return {ASSIGNMENT: Assignment(trial_id, {"x": 0.5}, 0).to_json()}


def _reports(made: TrialTrainable) -> list[ProgressReport]:
    """All reports of a trial, to its end."""
    reports = [ProgressReport.from_bytes(made.step()[REPORT])]
    while not reports[-1].last:
        reports.append(ProgressReport.from_bytes(made.step()[REPORT]))
    return reports


def _scores(reports: list[ProgressReport]) -> list[tuple[int, float]]:
    return [(row.epoch, row.metrics["score"]) for report in reports for row in report.rows]


def test_a_step_trains_until_there_is_something_to_report(made: TrialTrainable) -> None:
    """A step of the trainable trains until a rung or the end, and reports each epoch once."""
    reports = _reports(made)
    assert _scores(reports) == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    assert {2, 4} <= {report.epoch for report in reports}


def test_it_takes_one_trial_after_the_other(made: TrialTrainable) -> None:
    """A new assignment begins another trial, even if the previous trial has not ended."""
    made.step()
    assert made.reset_config(_config("0001"))
    assert _scores(_reports(made)) == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    made.cleanup()
