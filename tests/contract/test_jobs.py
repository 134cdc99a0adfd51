"""Properties of every bundled job."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import tune_jobs
from pipeline import load_results, run
from pipeline.datasets import Dataset, Split, load
from pipeline.space import Config, fits
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study, save_study
from pipeline.study.trial_configs import trials_in_all
from tests.cases import cases
from tests.drawn_configs import drawn_configs

_JOBS = tune_jobs.jobs()
_MODELS = [name for name, job in _JOBS.items() if job.model is not None]
_FUNCTIONS = [name for name, job in _JOBS.items() if job.function is not None]


_ROWS = 256
"""What a reduced study trains on, and validates on, of data that are larger."""


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    return {job.data: load(job.data) for job in _JOBS.values() if isinstance(job.data, str)}


def _few(data: Dataset) -> Dataset:
    splits = [Split(split.x[:_ROWS], split.y[:_ROWS]) for split in (data.train, data.validation, data.test) if split]
    return Dataset(data.name, *splits, classes=data.classes, facts=data.facts)


def _reduced(job: TuneJob, datasets: dict[str, Dataset]) -> TuneJob:
    epochs = getattr(job.scheduler, "grace_period", 1) + 1
    trials = min(job.budget.trials, len(job.start_with) + 2)
    reduced = {"budget.epochs": epochs, "budget.trials": trials, "resources.workers": 0}
    reduced |= {"folds": min(job.folds, 2), "repeats": min(job.repeats, 2)}
    if isinstance(job.data, str):
        few = _few(datasets[job.data])
        reduced["data"] = lambda: few
    return job.replaced(reduced)


def _first_epochs(job: TuneJob, config: Config) -> list[dict[str, float]]:
    assert job.function is not None
    found = job.function(config)
    return [found] if isinstance(found, dict) else list(islice(found, min(job.budget.epochs, 4)))


def _configs(job: TuneJob) -> list[Config]:
    return drawn_configs(job, trials_in_all(job))


@pytest.mark.parametrize("name", _JOBS)
class TestEveryJob:
    def test_it_is_called_as_its_module(self, name: str) -> None:
        assert _JOBS[name].name == name
        assert tune_jobs.find(name) is _JOBS[name]

    def test_it_has_a_description(self, name: str) -> None:
        assert 20 <= len(_JOBS[name].description) <= 90
        assert "\n" not in _JOBS[name].description

    def test_it_is_loaded_from_a_study(self, name: str, tmp_path: object) -> None:
        store = Store(str(tmp_path))
        save_study(store, _JOBS[name])
        assert load_study(store) == _JOBS[name]
        assert _JOBS[name].resumable
        assert any(path.startswith("source/") for path in store.files())

    def test_its_configs_are_of_its_space(self, name: str) -> None:
        job = _JOBS[name]
        configs = _configs(job)
        for config in configs:
            assert fits(job.space, config)
        assert len({json.dumps(config) for config in configs}) == len(configs)


_OFTEN = ("beale", "mnist-pbt")
"""A function, and a population of models."""


@pytest.mark.parametrize("name", cases(_JOBS, _OFTEN))
def test_it_runs_at_a_reduced_budget(
    name: str, tmp_path: Path, datasets: dict[str, Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    job = _reduced(_JOBS[name], datasets)
    run(job, storage=tmp_path)
    results = load_results(tmp_path / name)
    assert results.state == "ended"
    assert len(results.trials) == job.budget.trials
    assert set(results.trials["state"]) <= {"completed", "stopped"}
    assert results.best is not None
    assert np.isfinite(results.best.value)
    if job.model is not None:
        assert job.objective.metric.replace("val_", "test_") in results.test


@pytest.mark.parametrize("name", _MODELS)
class TestEveryModel:
    def test_it_learns_from_its_data(self, name: str, datasets: dict[str, Dataset]) -> None:
        job = _JOBS[name]
        assert job.model is not None
        assert isinstance(job.data, str)
        dataset, config = datasets[job.data], _configs(job)[0]
        model = job.model(config)
        assert model.compiled
        before = model.get_weights()
        x, y = dataset.train.x[:64], dataset.train.y[:64]
        logs = model.train_on_batch(x, y, return_dict=True)
        assert job.objective.metric.removeprefix("val_") in logs
        assert np.isfinite(logs["loss"])
        assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
        assert model.output_shape[1] == dataset.train.y.shape[1]

    def test_configs_of_the_whole_space_build(self, name: str) -> None:
        job = _JOBS[name]
        assert job.model is not None
        for config in _configs(job)[::8]:
            assert float(job.model(config).optimizer.learning_rate) == pytest.approx(config["lr"])


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_every_function_yields_its_objective(name: str) -> None:
    job = _JOBS[name]
    assert job.function is not None
    for config in _configs(job)[:2]:
        epochs = _first_epochs(job, config)
        assert epochs
        assert all(job.objective.metric in epoch for epoch in epochs)
        assert all(type(value) is float and np.isfinite(value) for epoch in epochs for value in epoch.values())
        assert _first_epochs(job, config) == epochs


def test_listing_them_imports_no_heavy_library() -> None:
    code = (
        "import sys, tune_jobs; tune_jobs.jobs(); "
        "heavy = {'ray', 'tensorflow', 'keras', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'optuna'}; "
        "print(heavy & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"
