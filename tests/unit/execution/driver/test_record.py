"""What a driver writes into its study, and what counts after it was killed or replaced."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline import load_results
from pipeline.engine.messages import Report
from pipeline.engine.trial import SAVED_STATE
from pipeline.errors import StorageError, Superseded
from pipeline.execution.driver import record
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session import Session
from pipeline.storage import Store, layout, sessions
from pipeline.storage.sessions import read_sessions
from tests.clocks import Leaping
from tests.recorded_curves import Study, row
from tests.stored_tables import stored_table

Make = Callable[..., Study]


def train(study: Study, *epochs: int, trial: str | None = None, **metrics: float) -> str:
    """Report these epochs of a trial, by default of the next one."""
    trial = study.session.next().trial_id if trial is None else trial
    rows = tuple(row(epoch, epoch / 10, **metrics) for epoch in epochs)
    study.session.on_report(trial, Report(rows))
    return trial


def epochs_of(study: Study) -> list[tuple[str, int]]:
    rows = load_results(study.store.uri).epochs[["trial_id", "epoch"]]
    return list(map(tuple, rows.to_numpy().tolist()))


def resumed(study: Study, number: int) -> Study:
    last = read_sessions(study.store, only_last=True, resume=True)[-1]
    recorder = Recorder(study.store, study.session.job, session=number, last=last)
    session = Session(study.session.job, study.store, recorder)
    session.restore(SAVED_STATE.validate_python(last.resume), epochs_before=study.session.job.budget.epochs)
    session.begin()
    return Study(session, recorder, study.store)


def cut_off(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a flush between its tables and its session's file."""

    def fail(*_: Any, **__: Any) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(sessions.Lease, "write", fail)
        with pytest.raises(StorageError):
            study.session.flush()


@pytest.mark.parametrize("state", ["ended", "interrupted", "failed"])
def test_the_end_leaves_one_file_a_table_and_why(study: Make, state: Any) -> None:
    s = study()
    trial = train(s, 1)
    for epoch in (2, 3):
        s.session.flush()
        train(s, epoch, trial=trial)
    s.session.flush()
    assert len(s.store.files("epochs")) == 3
    s.recorder.close(state, "why")
    assert s.store.files("epochs") == ["epochs/all-0001.parquet"]
    assert stored_table(s.store, "epochs")["score"].to_pylist() == [0.1, 0.2, 0.3]
    assert s.store.read_table(layout.TRIALS)["epochs"].to_pylist() == [3]
    assert not [path for path in s.store.local.rglob("*") if path.name.startswith(".")]
    results = load_results(s.store.uri)
    assert (results.state, results.sessions[-1].message) == (state, "why")


def test_what_the_state_file_does_not_name_does_not_exist(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = study()
    first = train(s, 1)
    s.session.flush()
    # The driver is killed in its next flush, between its tables and its session's file.
    second = train(s, 1)
    train(s, 2, 3, trial=first)
    cut_off(s, monkeypatch)
    assert epochs_of(s) == [(first, 1)]
    assert load_results(s.store.uri).trials["trial_id"].tolist() == [first]
    uncommitted = {path for table in ("epochs", "decisions") for path in s.store.files(table) if "000002" in path}
    again = resumed(s, 2)
    assert len(uncommitted) == 2
    assert not uncommitted & set(s.store.files())
    assert second not in again.session.engine.trials
    again.session.next()
    train(again, 2, trial=first)
    again.session.flush()
    again.recorder.close("ended")
    assert epochs_of(s) == [(first, 1), (first, 2)]


def test_nothing_that_an_earlier_driver_may_still_delete_is_needed(study: Make) -> None:
    s = study()
    first = train(s, 1, 2)
    s.session.flush()
    again = resumed(s, 2)
    for path in s.store.files():
        if path.startswith(("epochs", "decisions")) and layout.session_number(path) == 1:
            s.store.delete(path)
    assert epochs_of(again) == [(first, 1), (first, 2)]


def replaced(store: Store, patch: pytest.MonkeyPatch, *, during: str) -> None:
    """Let another driver begin a session and write a part while a file is written."""
    write = Store.write

    def written(here: Store, path: str, content: Any) -> int:
        size = write(here, path, content)
        if path == during:
            write(store, layout.session(2), "{}")
            write(store, "epochs/part-0002-000001.parquet", b"rows of the other driver")
        return size

    patch.setattr(Store, "write", written)


@pytest.mark.parametrize("table", ["epochs", "decisions"])
def test_a_driver_that_is_replaced_between_two_writes_stops(
    study: Make, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(sessions, "time", Leaping())
    s = study()
    s.session.begin()
    train(s, 1)
    during = f"{table}/part-0001-000001.parquet"
    with monkeypatch.context() as patch:
        replaced(s.store, patch, during=during)
        with pytest.raises(Superseded):
            s.session.flush()
    written = {during, "epochs/part-0001-000001.parquet", "epochs/part-0002-000001.parquet"}
    assert {path for path in s.store.files() if not path.startswith(("sessions", "source", "study"))} == written


def test_the_files_of_a_driver_that_takes_over_stay(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "time", Leaping())
    s = study()
    s.session.begin()
    train(s, 1)
    s.session.flush()
    with monkeypatch.context() as patch:
        replaced(s.store, patch, during="epochs/all-0001.parquet")
        with pytest.raises(Superseded):
            s.recorder.close("ended")
    assert s.store.exists("epochs/part-0002-000001.parquet")


def test_a_part_that_is_gone_is_an_error_unless_another_driver_has_taken_over(
    study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "time", Leaping())
    s = study()
    s.session.begin()
    train(s, 1)
    s.session.flush()
    s.store.delete("epochs/part-0001-000001.parquet")
    with pytest.raises(StorageError, match="part-0001-000001"):
        s.recorder.close("ended")
    with pytest.raises(StorageError, match="part-0001-000001"):
        load_results(s.store.uri)
    s.store.write(layout.session(2), "{}")
    with pytest.raises(Superseded):
        s.recorder.close("ended")


def test_rows_of_a_session_without_a_file_are_refused(study: Make) -> None:
    s = study()
    train(s, 1)
    s.session.flush()
    s.store.delete(layout.session(1))
    with pytest.raises(StorageError, match="rows of session 1"):
        Recorder(s.store, s.session.job, session=1)


def test_no_heartbeat_comes_before_the_beginning_or_after_the_end(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "BEAT_SECONDS", 0.0)
    for folder, end in (("closed", lambda r: r.close("ended")), ("deleted", lambda r: r.stop_heartbeat())):
        s = study(folder)
        s.recorder.beat()
        assert s.store.files("sessions") == []
        s.session.begin()
        s.recorder.beat()
        end(s.recorder)
        before = s.store.read(layout.session(1))
        s.recorder.beat()
        assert s.store.read(layout.session(1)) == before
