"""The tables of a study, as a driver writes them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.engine.messages import ProgressReport
from pipeline.errors import StorageError, Superseded
from pipeline.execution.driver import session_file
from pipeline.execution.driver.recorder import Recorder
from pipeline.execution.driver.session import Session
from pipeline.results.tables.front import objective_values, pareto_front
from pipeline.results.tables.load import load_results
from pipeline.results.tables.sessions import read_sessions
from pipeline.space import Choice, Switch, Uniform
from pipeline.storage import Store
from pipeline.storage.metric_column import metric_column, metric_columns
from pipeline.study import Budget, Objective, layout
from tests.clocks import Clock, Leaping
from tests.unit.execution.recorded_curves import row


def test_tables_can_be_read_while_the_study_runs(study):
    """After a flush pandas, pyarrow, DuckDB and polars read the parts of a running study."""
    s = study()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5), row(2, 0.6)), 2))
    s.session.flush()
    folder = s.store.local / "epochs"
    part = next(folder.glob("*.parquet"))
    assert len(pd.read_parquet(folder)) == 2
    assert pq.read_table(folder).num_rows == 2
    assert pl.read_parquet(part).height == 2
    assert duckdb.sql(f"select max(score) from '{folder}/*.parquet'").fetchall() == [(0.6,)]
    assert load_results(s.store.uri).trials["state"].tolist() == ["running"]


def test_the_end_leaves_one_file_a_table(study):
    """At a study's end, each table is compacted into one file with the same rows, and no temporary file remains."""
    s = study()
    for epoch in (1, 2, 3):
        if epoch == 1:
            s.session.next()
        s.session.on_report("0000", ProgressReport((row(epoch, epoch / 10),), epoch))
        s.session.flush()
    assert len(s.store.files("epochs")) == 3
    s.recorder.close("finished")
    assert s.store.files("epochs") == ["epochs/all-0001.parquet"]
    assert s.store.read_table("epochs")["score"].to_pylist() == [0.1, 0.2, 0.3]
    assert not [path for path in s.store.local.rglob("*") if path.name.startswith(".")]


def _taken_over(store, patch, *, during):
    """Let another driver begin a session and write a part while a file is written."""
    write = Store.write

    def written(here, path, content):
        size = write(here, path, content)
        if path == during:
            write(store, layout.session(2), "{}")
            write(store, "epochs/part-0002-000001.parquet", b"rows of the other driver")
        return size

    patch.setattr(Store, "write", written)


@pytest.mark.parametrize("during", ["epochs/part-0001-000001.parquet", "decisions/part-0001-000001.parquet"])
def test_a_driver_that_is_replaced_between_two_writes_stops(study, monkeypatch, during):
    """A driver that another one has replaced while it wrote a file writes none after it."""
    monkeypatch.setattr(session_file, "time", Leaping())
    s = study()
    s.session.begin()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5),), 1))
    with monkeypatch.context() as patch:
        _taken_over(s.store, patch, during=during)
        with pytest.raises(Superseded):
            s.session.flush()
    written = {during, "epochs/part-0001-000001.parquet", "epochs/part-0002-000001.parquet"}
    assert {path for path in s.store.files() if not path.startswith(("sessions", "source", "study"))} == written


@pytest.mark.parametrize("clock", [Leaping(), Clock()], ids=["found", "not found"])
def test_compaction_keeps_the_parts_of_a_driver_that_takes_over(study, monkeypatch, clock):
    """Parts that another driver writes during a compaction stay, whether or not the compaction finds that driver."""
    s = study()
    s.session.begin()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5),), 1))
    s.session.flush()
    monkeypatch.setattr(session_file, "time", clock)
    with monkeypatch.context() as patch:
        _taken_over(s.store, patch, during="epochs/all-0001.parquet")
        with pytest.raises(Superseded):
            s.recorder.close("finished")
    assert s.store.exists("epochs/part-0002-000001.parquet")


def test_a_driver_that_is_replaced_before_it_reads_the_parts_stops(study, monkeypatch):
    """A driver whose parts another one has replaced ends as superseded; without another one, a part is missing."""
    s = study()
    s.session.begin()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5),), 1))
    s.session.flush()
    monkeypatch.setattr(session_file, "time", Leaping())

    def gone(store, folder):
        raise FileNotFoundError("epochs/part-0001-000001.parquet")

    monkeypatch.setattr(Store, "parts", gone)
    with pytest.raises(StorageError, match="part-0001-000001"):
        s.recorder.tables.compact()
    s.store.write(layout.session(2), "{}")
    with pytest.raises(Superseded):
        s.recorder.tables.compact()


def test_compaction_deletes_only_parts(study):
    """Compaction keeps files that a user put next to the parts, Parquet or not."""
    s = study()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5),), 1))
    s.session.flush()
    part = s.store.read("epochs/part-0001-000001.parquet")
    s.store.write("epochs/backup.parquet", part)
    s.store.write("epochs/notes.txt", "mine")
    s.recorder.close("finished")
    assert s.store.files("epochs") == ["epochs/all-0001.parquet", "epochs/backup.parquet", "epochs/notes.txt"]
    assert s.store.read("epochs/backup.parquet") == part
    assert len(load_results(s.store.uri).epochs) == 1


def test_a_metric_that_appears_late_gets_its_column(study):
    """A metric that is first reported in a later epoch gets a column, which is null in earlier epochs."""
    s = study()
    trial_id = s.session.next().trial_id
    s.session.on_report(trial_id, ProgressReport((row(1, 0.1),), 1))
    s.recorder.flush({})
    s.session.on_report(trial_id, ProgressReport((row(2, 0.2, **{"Top-5 Acc": 0.9}),), 2))
    s.recorder.close("finished")
    assert s.store.read_table("epochs")[metric_column("Top-5 Acc")].to_pylist() == [None, 0.9]


def test_a_metric_cannot_take_a_column_of_the_table(study):
    """A metric called `epoch` or `config_x` gets a separate column."""
    s = study()
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.1, epoch=7.0, config_x=8.0),), 1))
    s.recorder.close("finished")
    found = s.store.read_table("epochs").to_pylist()[0]
    assert found["epoch"] == 1
    assert (found[metric_column("epoch")], found[metric_column("config_x")]) == (7.0, 8.0)
    assert found["config_x"] != 8.0


def test_metrics_of_like_names_keep_their_columns_after_a_resume(study):
    """Metrics with similar names keep their columns after a resume, in whatever order the model reports them."""
    s = study()
    assignment = s.session.next()
    s.session.on_report(assignment.trial_id, ProgressReport((row(1, 0.5, **{"a-b": 1.0, "a b": 2.0}),), 1))
    s.session.flush()
    second = Recorder(s.store, s.session.job, session=2)
    second.tables.add_epochs(assignment.trial_id, assignment.config, [row(2, 0.5, **{"a b": 2.0, "a-b": 1.0})])
    second.begin({})
    second.flush({})
    results = load_results(s.store.uri)
    column = {name: column for column, name in results.metric_names.items()}
    assert column["a b"] == "a_b"
    assert results.epochs[[column["a b"], column["a-b"]]].drop_duplicates().to_numpy().tolist() == [[2.0, 1.0]]


def test_metrics_of_any_script_have_columns_that_need_no_quotes(study):
    """Metrics with names in any script have distinct columns that DuckDB, pandas and polars read without quotes."""
    s = study()
    names = [
        "точность",
        "精度",
        "دقة",
        "größe",
        "Größe",
        "🎯",
        "💥",
        "val-acc",
        "val_acc",
        "Val_Acc",
        "order",
        "1st",
        "",
    ]
    values = {name: float(place) for place, name in enumerate(names, 1)}
    s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.1, **values),), 1))
    s.recorder.close("finished")
    path = s.store.local / "epochs/all-0001.parquet"
    frame = pd.read_parquet(path)
    original = load_results(s.store.uri).metric_names
    columns = {original.get(column, column): column for column in metric_columns(frame.columns)}
    assert columns.keys() == {*names, s.session.job.objective.metric}
    for name, value in values.items():
        column = columns[name]
        assert duckdb.sql(f"select {column} from '{path}'").fetchall() == [(value,)]
        assert frame.query(f"{column} == {value}")[column].tolist() == [value]
        assert pl.read_parquet(path).sql(f"select {column} from self").item() == value


def test_an_epoch_stays_that_of_the_session_that_recorded_it(study):
    """An epoch keeps the session that recorded it, and an epoch that is trained again gets the new session."""
    s = study()
    assignment = s.session.next()
    s.session.on_report(assignment.trial_id, ProgressReport((row(1, 0.5), row(2, 0.6)), 2))
    s.session.flush()
    second = Recorder(s.store, s.session.job, session=2)
    again = replace(row(2, 0.6), time=2e9)
    second.tables.add_epochs(assignment.trial_id, assignment.config, [row(1, 0.5), again, row(3, 0.7)])
    second.begin({})
    second.close("finished")
    rows = s.store.read_table("epochs").to_pylist()
    assert [(each["epoch"], each["session"]) for each in rows] == [(1, 1), (2, 2), (3, 2)]


def test_epochs_that_the_state_of_a_killed_driver_lacks_do_not_count(study):
    """Epochs that a killed driver wrote without its state are dropped by the next session, unless they come again."""
    s = study()
    first = s.session.next()
    s.session.on_report(first.trial_id, ProgressReport((row(1, 0.5),), 1))
    s.session.flush()
    state = read_sessions(s.store, resume=True)[-1]["resume"]
    second = s.session.next()
    s.session.on_report(second.trial_id, ProgressReport((row(1, 0.8),), 1))
    s.session.on_report(first.trial_id, ProgressReport((row(2, 0.6), row(3, 0.9)), 3))
    # The driver is killed between its tables and its session's file.
    s.recorder.tables.flush()
    recorder = Recorder(s.store, s.session.job, session=2)
    session = Session(s.session.job, s.store, recorder)
    session.restore(state, budget_before=4)
    session.begin()
    session.next()
    session.on_report(first.trial_id, ProgressReport((row(1, 0.5), row(2, 0.6)), 2, last=True))
    session.flush()
    results = load_results(s.store.uri)
    assert results.epochs[["trial_id", "epoch"]].to_numpy().tolist() == [["0000", 1], ["0000", 2]]
    assert (results.best.trial_id, results.best.epoch, results.best.value) == ("0000", 2, 0.6)
    assert session.loop.incumbent.best.best == 0.6
    recorder.close("finished")
    assert load_results(s.store.uri).trials[["epochs", "objective"]].to_numpy().tolist() == [[2, 0.6]]


def test_a_measure_as_an_objective_is_read_from_its_own_column(study):
    """A measured column such as seconds_train can be an objective, and a metric of the same name has priority."""
    for folder, metrics, seconds in (("measured", {}, 0.2), ("reported", {"seconds_train": 7.0}, 7.0)):
        s = study(folder, objectives=[Objective("score", "max"), Objective("seconds_train", "min")])
        s.session.on_report(s.session.next().trial_id, ProgressReport((row(1, 0.5, **metrics),), 1))
        s.recorder.close("finished")
        results = load_results(s.store.uri)
        assert objective_values(results).to_numpy().tolist() == [[0.5, seconds]]
        assert [point.trial_id for point in pareto_front(results)] == ["0000"]


def _climb(_trial: str, config: Mapping[str, Any], epoch: int) -> float:
    return -((config["x"] - 0.3) ** 2) + 0.001 * epoch


def test_columns_of_what_a_trial_does_not_have_are_empty(study):
    """Every parameter of every branch is a column; a trial has values in those of its branch."""
    space = {"x": Uniform(0, 1), "s": Switch({"a": {"n": Choice([1, 2])}, "b": {"t": Choice([1, "auto"])}})}
    s = study(space=space, start_with=[{"s": "a"}, {"s": "b", "t": 1}], budget=Budget(trials=2, epochs=1))
    s.play(_climb)
    s.recorder.close("finished")
    for table in ("trials.parquet", "epochs"):
        first, second = sorted(s.store.read_table(table).to_pylist(), key=lambda r: r["trial_id"])
        assert (first["config_s"], first["config_n"] in (1, 2), first["config_t"]) == ("a", True, None)
        assert (second["config_s"], second["config_n"], second["config_t"]) == ("b", None, "1")
