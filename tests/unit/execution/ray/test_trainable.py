"""A worker of a study on Ray: how it gets the job, and trains one trial after the other."""

import signal
import sys
import threading
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
from pipeline.study import Budget, Objective, TuneJob, save_study
from pipeline.training.process import kept_global_state


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


def _set_up(made: TrialTrainable, store: Store) -> None:
    """Make a trainable a worker of a study that is stored."""
    job = TuneJob(
        name="s",
        function=climb,
        space={"x": 1.0},
        objectives=Objective("score", "max"),
        scheduler={"kind": "asha", "grace_period": 2},
        budget=Budget(trials=2, epochs=4),
    )
    save_study(store, job)
    content, folders = pack(job)
    fields = {
        "job": content, "folders": folders, "data": None, "uri": store.uri, "session": 1,
        "started_in": str(Path(store.uri).parent), "workers": 1, "reserves_memory": False,
    }  # fmt: skip
    made.setup(_config("0000"), **fields)


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


def test_it_takes_one_trial_after_the_other_and_heeds_sigterm(made: TrialTrainable) -> None:
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
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


def test_objects_that_cannot_be_sent_are_the_jobs_fault() -> None:
    lock = threading.Lock()

    def locked(config: Any) -> Any:
        with lock:
            return config["x"]

    with pytest.raises(ModelError):
        pack(_job(locked))


TYPED = """
import functools
import keras

@functools.lru_cache(maxsize=7)
def steps_to(n):
    return n if n < 2 else steps_to(n - 1) + steps_to(n - 2)

def typed(config):
    return steps_to(config["x"]) + steps_to.cache_info().maxsize, keras.config.dtype_policy().name
"""


def test_a_typed_function_is_sent_with_its_caches_and_the_settings_of_keras(tmp_path: Path) -> None:
    import keras

    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(TYPED, "<cell 1>", "exec"), space)
    with kept_global_state():
        keras.config.set_dtype_policy("mixed_bfloat16")
        content, folders = pack(_job(space["typed"]))
        keras.config.set_dtype_policy("float32")
        job = unpack(content, folders, Store(tmp_path / "nothing"))
        assert job.functions["function"]({"x": 10}) == (55 + 7, "mixed_bfloat16")


def test_a_pipeline_of_a_notebook_is_refused() -> None:
    import tensorflow as tf

    space: dict[str, Any] = {"__name__": "__main__", "batches": tf.data.Dataset.range(6)}
    exec("def typed(config):\n    return list(batches)", space)
    with pytest.raises(DataError):
        pack(_job(space["typed"]))
