"""What tells that a study has changed."""

from pathlib import Path

from pipeline.results.tables.stamp import stamp
from tests.unit.results.studies import Recording, tune_job


def test_a_stamp_changes_with_new_rows_only(tmp_path: Path) -> None:
    """The stamp of a study is the same until rows are written."""
    study = Recording(tmp_path, tune_job("grown"))
    study.decide("0000", 0, "start", 0, "drawn", config_after={"lr": 0.1, "momentum": 0.9, "optimizer": "adam"})
    study.flush()
    before = stamp(study.store)
    assert stamp(study.store) == before
    study.train("0000", 1, {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}, 0.5, 1.0)
    study.flush()
    assert stamp(study.store) != before
