"""The training of a session: the data first."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import Objective, TuneJob, Uniform, run
from pipeline.errors import DataError, ResourcesUnmet
from pipeline.execution import session_training
from pipeline.storage import Store
from pipeline.study.files import read_document
from tests.unit.execution.recorded_curves import steps
from tune_jobs import find

JOB = """
import importlib

import numpy as np

from pipeline import Budget, Dataset, Objective, Split, TuneJob


def rows():
    number = importlib.import_module("late_" + "rows").NUMBER
    x = np.full((6, 1), number, "float32")
    return Dataset("rows", Split(x, x), Split(x[:3], x[:3]))


def build(config):
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


JOB = TuneJob(name="s", model=build, data=rows, space={"lr": 0.01}, objectives=[Objective("val_loss", "min")],
              scheduler="fifo", budget=Budget(trials=1, epochs=1), resources={"workers": 0})
"""


@pytest.fixture
def job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A job whose data function imports a module by a name that is known only at run time."""
    (tmp_path / "training_job.py").write_text(JOB)
    (tmp_path / "late_rows.py").write_text("NUMBER = 2.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "training_job.py"
    sys.modules.pop("late_rows", None)


def test_modules_that_a_data_function_imports_are_recorded(job_file: Path, tmp_path: Path) -> None:
    """After a run, the study has the data's fingerprint, and a copy of the module that only their function imports."""
    run(find(str(job_file)), storage=tmp_path / "studies", note=lambda _: None)
    store = Store(tmp_path / "studies").folder("s")
    assert read_document(store)["data"]["train.x"]["shape"] == [6, 1]
    assert store.read("source/late_rows.py") == b"NUMBER = 2.0\n"


def test_wrong_data_end_a_study_before_ray_starts(
    job_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the data function is reported without waiting for a cluster, and the study's name stays free."""
    monkeypatch.setattr(session_training, "run_on_ray", lambda *_, **__: pytest.fail("Ray was started"))
    (tmp_path / "late_rows.py").write_text("raise ValueError('no rows')\n")
    with pytest.raises(DataError, match="no rows"):
        run(find(str(job_file)).replaced({"resources.workers": 2}), storage=tmp_path / "studies", note=lambda _: None)
    assert not (tmp_path / "studies/s").exists()


def test_resources_that_are_not_there_are_refused_in_this_process_too(tmp_path: Path) -> None:
    """A trial that requests more CPUs than this machine has is refused, and no study is left."""
    job = TuneJob(
        name="s",
        function=steps,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        resources={"workers": 0, "cpus": 1000},
    )
    with pytest.raises(ResourcesUnmet, match="requests 1000 CPUs"):
        run(job, storage=tmp_path)
    assert not (tmp_path / "s").exists()
