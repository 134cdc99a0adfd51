"""A worker of a study on Ray: how it gets the job, and trains one trial after the other."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.messages import Assignment, Report
from pipeline.errors import DataError, ModelError
from pipeline.execution.ray import trainable
from pipeline.execution.ray.job_transport import pack, unpack
from pipeline.execution.ray.trainable import ASSIGNMENT, REPORT, TrialTrainable
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, Resources, TuneJob, save_study
from pipeline.training.global_state import kept_global_state


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


def _config(trial_id: str) -> dict[str, str]:
    return {ASSIGNMENT: Assignment(trial_id, {"x": 0.5}, 0).to_json()}


def _reports(made: TrialTrainable) -> list[Report]:
    """All reports of a trial, to its end."""
    reports = [Report.from_bytes(made.step()[REPORT])]
    while not reports[-1].last:
        reports.append(Report.from_bytes(made.step()[REPORT]))
    return reports


def _scores(reports: list[Report]) -> list[tuple[int, float]]:
    return [(row["epoch"], row["metrics"]["score"]) for report in reports for row in report.rows]


def test_it_takes_one_trial_after_the_other(made: TrialTrainable) -> None:
    made.step()
    assert made.reset_config(_config("0001"))
    assert _scores(_reports(made)) == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    made.cleanup()


def _job(function: Any) -> TuneJob:
    return TuneJob(
        name="s",
        function=function,
        space={"x": Uniform(0, 1)},
        objectives=Objective("score", "max"),
        budget=Budget(trials=2, epochs=1),
    )


def test_a_job_of_files_is_loaded_from_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose functions are in files is loaded from the study, and only the folders of its imports are sent."""
    above = Path(__file__).parents[climb.__module__.count(".")]
    # As in a worker, which starts in another folder.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(above)])
    job, store = _job(climb), Store(tmp_path / "s")
    save_study(store, job)
    content, folders = pack(job)
    assert (content, folders) == (None, [str(above)])
    assert unpack(content, folders, store) == job
    assert sys.path[0] == folders[0]
    before = list(sys.path)
    unpack(content, folders, store)
    assert sys.path == before


def test_a_typed_function_is_sent_itself(tmp_path: Path) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def typed(config):\n    return config['x'] + 1", "<cell 1>", "exec"), space)
    content, folders = pack(_job(space["typed"]))
    assert content is not None
    assert folders == []
    job = unpack(content, folders, Store(tmp_path / "nothing"))
    assert job.functions["function"]({"x": 1}) == 2


PIPED = """
import tensorflow as tf

batches = tf.data.Dataset.range(6).shuffle(6).batch(4)

def typed(config):
    return sorted(int(each) for batch in batches for each in batch)
"""


def test_pipelines_of_a_notebook_are_refused() -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(PIPED, "<cell 1>", "exec"), space)
    with pytest.raises(DataError, match="Build the pipeline in the data function"):
        pack(_job(space["typed"]))


def test_objects_that_cannot_be_sent_are_named() -> None:
    lock = threading.Lock()

    def locked(config: Any) -> Any:
        with lock:
            return config["x"]

    with pytest.raises(ModelError, match=r"function .*locked cannot be sent to the workers: .*resources\.workers 0"):
        pack(_job(locked))


CACHED = """
import functools

@functools.lru_cache(maxsize=7)
def steps_to(n):
    return n if n < 2 else steps_to(n - 1) + steps_to(n - 2)

def typed(config):
    return steps_to(config["x"]) + steps_to.cache_info().maxsize
"""


def test_a_typed_function_with_a_cache_is_sent(tmp_path: Path) -> None:
    """A typed function is sent with its lru_cache and cached properties, and may call itself through the cache."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CACHED, "<cell 1>", "exec"), space)
    content, _ = pack(_job(space["typed"]))
    assert unpack(content, [], Store(tmp_path / "nothing")).functions["function"]({"x": 10}) == 55 + 7


def test_settings_of_a_notebook_are_sent(tmp_path: Path) -> None:
    import keras

    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def typed(config):\n    return config['x']", space)
    with kept_global_state():
        keras.config.set_dtype_policy("mixed_bfloat16")
        content, _ = pack(_job(space["typed"]))
        keras.config.set_dtype_policy("float32")
        unpack(content, [], Store(tmp_path / "nothing"))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
