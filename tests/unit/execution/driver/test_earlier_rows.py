"""The epochs that earlier sessions have recorded."""

from datetime import UTC, datetime

import pyarrow as pa

from pipeline.execution.driver.earlier_rows import EarlierRows
from pipeline.space import Uniform
from pipeline.storage.schema import arrow_schema

SCHEMA = arrow_schema("epochs", {"x": Uniform(0, 1)})


def test_each_trial_has_its_own_rows() -> None:
    """Each trial gets its own earlier rows, also trial 10000 and later; a trial that never trained gets none."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    trials = ["0000", "0000", "9999", "10000"]
    rows = [{"trial_id": each, "epoch": n, "attempt": 1, "time": moment} for n, each in enumerate(trials)]
    earlier = EarlierRows(pa.Table.from_pylist(rows, SCHEMA))
    assert earlier.of("0000") == {(0, 1, moment), (1, 1, moment)}
    assert earlier.of("9999") == {(2, 1, moment)}
    assert earlier.of("10000") == {(3, 1, moment)}
    assert earlier.of("0001") == set()


def test_epochs_beyond_those_of_a_state_are_found() -> None:
    """Epochs exceed a state that has fewer of a trial, or not the trial, and none that has as many or more."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [{"trial_id": each, "epoch": n, "attempt": 1, "time": moment} for each, n in [("0000", 1), ("0000", 2)]]
    earlier = EarlierRows(pa.Table.from_pylist(rows, SCHEMA))
    assert [earlier.exceed(state) for state in ({"0000": 2}, {"0000": 3}, {"0000": 1}, {"0001": 2})] == [
        False,
        False,
        True,
        True,
    ]
    assert not EarlierRows(SCHEMA.empty_table()).exceed({})


def test_a_new_study_has_none() -> None:
    """A new study has no earlier rows of any trial."""
    assert EarlierRows(SCHEMA.empty_table()).of("0000") == set()
