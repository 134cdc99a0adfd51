"""Trials compared at each rung."""

from pathlib import Path

from pipeline.results import load_results
from pipeline.results.analysis.rungs import rungs_of
from tests.unit.results import studies
from tests.unit.results.small_studies import by_epoch_study


def test_rungs_count_where_brackets_compare(tmp_path: Path) -> None:
    """A trial counts at a rung only if its bracket compares there, and a promoted one counts once."""
    recording = studies.Recording(tmp_path, studies.tune_job("brackets", scheduler="hyperband"))
    config = {"lr": 0.1}
    for trial, value in (("0000", 0.2), ("0001", 0.4), ("0002", 0.3)):
        recording.decide(trial, 0, "start", 0, config_after=config)
        for epoch in range(1, 2 if trial == "0000" else 4):
            recording.train(trial, epoch, config, value, epoch)
    recording.decide("0000", 1, "pause", 1, rung=1)
    recording.decide("0001", 1, "pause", 1, rung=1)
    recording.decide("0000", 1, "stop", 2, rung=1, cutoff=0.4)
    recording.decide("0001", 1, "promote", 2, rung=1, cutoff=0.4)
    recording.decide("0002", 3, "pause", 3, rung=3)
    recording.decide("0001", 3, "pause", 3, rung=3)
    recording.end(5)
    rungs = rungs_of(load_results(tmp_path / "brackets"))
    assert rungs.to_dict("list") == {"rung": [1, 3], "reached": [2, 2], "stopped": [1, 0]}


def test_every_trial_that_trained_that_far_was_compared(tmp_path: Path) -> None:
    """Where trials do not pause, those that a rung stopped were compared there, and those that trained further."""
    results = by_epoch_study(tmp_path, [[0.1], [0.2, 0.3], [0.5, 0.6, 0.7, 0.8]], epochs=4)
    assert rungs_of(results).to_dict("list") == {"rung": [1, 2], "reached": [3, 2], "stopped": [1, 1]}
