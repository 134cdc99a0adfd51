"""A worker of a study on Ray: how it gets the job, and trains one trial after the other."""

import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.messages import Assignment, Report
from pipeline.errors import ModelError
from pipeline.execution.ray import trainable
from pipeline.execution.ray.job_transport import pack, unpack
from pipeline.execution.ray.trainable import ASSIGNMENT, REPORT, TrialTrainable
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob, save_study
from pipeline.training.process import kept_global_state


def climb(config: Any) -> Any:
    for step in range(1, 9):
        yield {"score": config["x"] * step}


def _job(function: Any) -> TuneJob:
    budget = Budget(trials=2, epochs=4)
    return TuneJob(name="s", function=function, space={"x": 1.0}, objectives=Objective("score", "max"), budget=budget)


def _config(trial_id: str) -> dict[str, str]:
    return {ASSIGNMENT: Assignment(trial_id, {"x": 0.5}, 0).to_json()}


def test_it_takes_one_trial_after_the_other_and_heeds_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = SimpleNamespace(get_node_id=lambda: "n")
    nodes = [{"NodeID": "n", "Resources": {"CPU": 2.0}}]
    monkeypatch.setattr(trainable, "ray", SimpleNamespace(get_runtime_context=lambda: node, nodes=lambda: nodes))
    # Tune changes to the folder of its trial.
    (tmp_path / "of_tune").mkdir()
    monkeypatch.chdir(tmp_path / "of_tune")
    store, made = Store(tmp_path / "s"), TrialTrainable.__new__(TrialTrainable)
    save_study(store, job := _job(climb))
    content, folders = pack(job)
    # As Ray starts some of its threads.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    made.setup(
        _config("0000"), job=content, folders=folders, resources=None, data=None, uri=store.uri, session=1,
        started_in=str(tmp_path), workers=1, reserves_memory=False,
    )  # fmt: skip
    assert Path.cwd() == tmp_path
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    made.step()
    assert made.reset_config(_config("0001"))
    reports = [Report.from_bytes(made.step()[REPORT])]
    while not reports[-1].last:
        reports.append(Report.from_bytes(made.step()[REPORT]))
    scores = [(row["epoch"], row["metrics"]["score"]) for report in reports for row in report.rows]
    assert scores == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    made.cleanup()


def test_a_job_of_files_is_loaded_from_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above = str(Path(__file__).parents[climb.__module__.count(".")])
    job, store = _job(climb), Store(tmp_path / "s")
    save_study(store, job)
    content, folders = pack(job)
    assert content is None
    assert above in folders
    # As in a worker, which starts in another folder.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != above])
    assert unpack(content, folders, store).to_json() == job.to_json()
    assert above in sys.path
    before = list(sys.path)
    unpack(content, folders, store)
    assert sys.path == before


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


@pytest.mark.parametrize("kind", ["lock", "pipeline"])
def test_objects_that_cannot_be_sent_are_the_jobs_fault(kind: str) -> None:
    import tensorflow as tf

    held = threading.Lock() if kind == "lock" else tf.data.Dataset.range(6)
    space: dict[str, Any] = {"__name__": "__main__", "held": held}
    exec("def typed(config):\n    return list(held)", space)
    with pytest.raises(ModelError):
        pack(_job(space["typed"]))
