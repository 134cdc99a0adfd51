"""Unique rows in order."""

import numpy as np
import pyarrow as pa
from hypothesis import given, strategies as st

from pipeline.results.tables.clean_tables import newest_checkpoints, read_tables
from pipeline.results.tables.trials_derivation import derive_trials
from pipeline.results.tables.unique_rows import clean_decisions, clean_epochs, reals, trial_ids, trial_positions
from pipeline.trial_ids import draw_order
from tests.unit.results.studies import Recording
from tests.unit.results.tables.rows import CONFIG, assert_same


def test_the_newest_attempt_is_used_in_any_order_of_rows(study: Recording) -> None:
    """An epoch that was trained twice has one row, which is that of the newest session and its newest attempt."""
    study.train("0000", 1, CONFIG, 0.5, 1.0, attempt=2)
    study.train("0000", 1, CONFIG, 0.9, 2.0, attempt=1)
    study.train("0000", 2, CONFIG, 0.6, 3.0, attempt=3, session=1)
    study.train("0000", 2, CONFIG, 0.7, 4.0, attempt=1, session=2)
    study.flush(rows=1)

    epochs = read_tables(study.store, study.study).epochs

    assert epochs["epoch"].to_pylist() == [1, 2]
    assert epochs["val_accuracy"].to_pylist() == [0.5, 0.7]


def test_a_number_that_is_missing_is_nan() -> None:
    """A column of numbers becomes floats, with NaN where there is none."""
    found = reals(pa.chunked_array([[1, None], [3]]))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0])


def test_cleaning_clean_tables_changes_nothing(asha: Recording) -> None:
    """Cleaning clean tables changes nothing, and trials are derived from epochs without the rows that are obsolete."""
    tables = read_tables(asha.store, asha.study)
    raw = asha.store.read_table("epochs")

    assert raw.num_rows == tables.epochs.num_rows + 1
    assert_same(clean_epochs(tables.epochs), tables.epochs)
    assert_same(clean_decisions(tables.decisions), tables.decisions)
    checkpoints = newest_checkpoints(asha.store.files("checkpoints"))
    derived = derive_trials(clean_epochs(raw), tables.decisions, study=asha.study, checkpoints=checkpoints)
    assert_same(derived, tables.trials)


def test_rows_in_any_order_give_the_same_tables(asha: Recording) -> None:
    """Tables are the same whatever the order in which parts are listed and rows are written."""
    tables = read_tables(asha.store, asha.study)
    order = np.random.default_rng(0).permutation(tables.epochs.num_rows)

    assert_same(clean_epochs(tables.epochs.take(pa.array(order))), tables.epochs)


def test_decisions_that_the_next_session_knew_nothing_of_no_longer_hold(study: Recording) -> None:
    """If a session continues at an earlier decision number, later decisions of the session before it are dropped."""
    for number, kind in enumerate(["start", "pause", "stop"], 1):
        study.decide("0000", number, kind, at=number)
    study.flush()
    study.session, study.number = 2, 1
    study.decide("0000", 1, "resume", at=10)
    study.flush()
    decisions = read_tables(study.store, study.study).decisions
    assert decisions["number"].to_pylist() == [1, 2]
    assert decisions["kind"].to_pylist() == ["start", "resume"]


_row = st.tuples(st.sampled_from(["0001", "9999", "10000"]), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))


@given(rows=st.lists(_row, max_size=12))
def test_each_epoch_has_its_newest_row(rows: list[tuple[str, int, int, int]]) -> None:
    """Each epoch has one row, the newest by session, attempt and position, in the order of trials and epochs."""
    names = ("trial_id", "epoch", "session", "attempt")
    table = pa.Table.from_pylist(
        [{**dict(zip(names, row, strict=True)), "place": place} for place, row in enumerate(rows)],
        pa.schema([("trial_id", pa.string()), *((name, pa.int64()) for name in (*names[1:], "place"))]),
    )
    newest: dict[tuple[int, int], tuple[int, int, int]] = {}
    for place, (trial, epoch, session, attempt) in enumerate(rows):
        key = (int(trial), epoch)
        newest[key] = max(newest.get(key, (0, 0, 0)), (session, attempt, place))
    assert clean_epochs(table)["place"].to_pylist() == [newest[key][2] for key in sorted(newest)]


def test_trials_have_positions_in_the_order_of_their_numbers() -> None:
    """Trials are ordered by number, so that 9999 is before 10000, whichever column names them; a null is none."""
    first, second = pa.chunked_array([["10000", "0002"]]), pa.chunked_array([["9999", None]])
    ids = trial_ids(first, second)
    assert ids.to_pylist() == ["0002", "9999", "10000"]
    assert trial_positions(first, ids).tolist() == [2, 0]


@given(st.lists(st.text(alphabet="0019aé𝄞", max_size=6)))
def test_trial_ids_are_in_the_order_of_the_draws(ids: list[str]) -> None:
    """Trial ids of several columns are listed once, in the order in which schedulers have them; nulls are left out."""
    columns = pa.chunked_array([pa.array([*ids, None], pa.string())]), pa.chunked_array([pa.array(ids, pa.string())])
    assert trial_ids(*columns).to_pylist() == sorted(set(ids), key=draw_order)
