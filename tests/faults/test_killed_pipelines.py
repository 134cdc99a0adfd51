"""One of two workers is killed by SIGKILL in the middle of a trial on a pipeline."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import load_results, run
from pipeline.results.tables.load import Results
from tests.faults.killed_pipelines import PHASED

_COLUMNS = ["trial_id", "epoch", "loss", "val_loss", "phase"]


def _run(storage: Path, name: str, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Run a study, one of whose workers is killed unless the marker exists."""
    monkeypatch.setenv("KILLED_ONCE", str(marker))
    run(PHASED, storage=storage, name=name)
    assert marker.exists()
    return load_results(storage / name)


def _rows(results: Results) -> list[Any]:
    rows: list[Any] = results.epochs.sort_values(["trial_id", "epoch"])[_COLUMNS].values.tolist()
    return rows


@pytest.mark.long
def test_a_trial_whose_worker_was_killed_continues_exactly(tmp_path, monkeypatch) -> None:
    """Every metric of every epoch equals that of a study without a kill, and one trial has two attempts."""
    (tmp_path / "undisturbed").touch()
    undisturbed = _run(tmp_path, "calm", tmp_path / "undisturbed", monkeypatch)
    killed = _run(tmp_path, "hit", tmp_path / "killed", monkeypatch)
    assert _rows(killed) == _rows(undisturbed)
    assert len(killed.epochs) == 10
    assert sorted(killed.trials["attempts"]) == [1, 2]
