"""Where an export to MLflow goes."""

from pathlib import Path

import pytest

from pipeline.results.export.mlflow_destination import absolute_destination


def test_a_destination_is_independent_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that is a folder or a database becomes an absolute path, and a server's address is unchanged."""
    monkeypatch.chdir(tmp_path)
    assert absolute_destination("runs") == str(tmp_path / "runs")
    assert absolute_destination("sqlite:///runs.db") == f"sqlite:///{tmp_path / 'runs.db'}"
    assert absolute_destination(f"sqlite:///{tmp_path}/runs.db") == f"sqlite:///{tmp_path}/runs.db"
    for server in ("http://127.0.0.1:5000", "databricks", "databricks:profile"):
        assert absolute_destination(server) == server
