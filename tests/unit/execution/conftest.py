"""Studies for the tests of this folder: one without training, and one of three trials of a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import load_results, run
from pipeline.storage import Store
from tests.recorded_curves import Study, new_study


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """Makes a study of a function job; keyword arguments are the job's fields."""

    def make(folder: str = "s", **fields: Any) -> Study:
        return new_study(tmp_path / folder, **fields)

    return make


@pytest.fixture(scope="session")
def tuned_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    # It imports Keras, which most tests of the folder do not need.
    from tests.unit.execution.three_trials import JOB

    folder = tmp_path_factory.mktemp("studies")
    run(JOB, storage=folder, note=lambda _: None)
    return Store(folder / "s")


@pytest.fixture
def losing(tuned_store: Store) -> str:
    best = load_results(tuned_store.uri).best.trial_id
    return next(trial for trial in ("0000", "0001", "0002") if trial != best)
