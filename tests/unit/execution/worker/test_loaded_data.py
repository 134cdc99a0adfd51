"""The data that a worker loads for configs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import ConfigReads, Dataset, Split, fingerprint
from pipeline.errors import DataError
from pipeline.execution.worker.loaded_data import LoadedData
from pipeline.storage import Store
from pipeline.study import Objective, TuneJob, save_study
from pipeline.study.files import set_data

SMALL = ConfigReads({"size": 8}, ("scale",))


def value(config: Any) -> Any:
    """One value."""
    yield {"value": config["x"]}


def rows(size: int) -> Dataset:
    """So many rows."""
    values = np.arange(size, dtype=np.float32).reshape(-1, 1)
    return Dataset("rows", Split(values, values), Split(values, values))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study that has recorded no data."""
    store = Store(tmp_path / "s")
    job = TuneJob(name="s", function=value, space={"x": 1.0}, objectives=[Objective("value", "max")])
    save_study(store, job)
    set_data(store, {"combinations": []})
    return store


def test_new_data_are_reported_once(store: Store) -> None:
    """Data for a combination that the study has not recorded are kept until they are reported."""
    data = LoadedData("s", store)
    data.check(SMALL, rows(8))
    entry = {"config": {"size": 8}, "absent": ["scale"], "arrays": fingerprint(rows(8))}
    assert data.new() == (entry,)
    assert data.new() == ()


def test_recorded_data_are_compared(store: Store) -> None:
    """Data for a recorded combination are not reported again, and other data are refused."""
    entry = {"config": {"size": 8}, "absent": ["scale"], "arrays": fingerprint(rows(8))}
    set_data(store, {"combinations": [entry]})
    data = LoadedData("s", store)
    data.check(SMALL, rows(8))
    assert data.new() == ()
    with pytest.raises(DataError, match="start another study with --name"):
        data.check(SMALL, rows(9))
