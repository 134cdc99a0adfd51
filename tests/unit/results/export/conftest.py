"""A database of MLflow that is made once, because that takes long, and copied for each test."""

import shutil
from pathlib import Path

import pytest

from pipeline.results import Results
from pipeline.results.export.mlflow import write_mlflow
from tests.unit.results.studies import with_tables


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory, asha_results: Results) -> Path:
    folder = tmp_path_factory.mktemp("mlflow")
    write_mlflow(with_tables(asha_results, trials=asha_results.trials.head(0)), str(folder))
    return folder


@pytest.fixture
def folder(empty: Path, tmp_path: Path) -> Path:
    shutil.copy(empty / "mlflow.db", tmp_path)
    return tmp_path
