"""The recorder: whole files while a study runs, one file a table at its end."""

from dataclasses import replace

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.course.messages import Report
from pipeline.execution.recorder import Recorder
from pipeline.results.load import load_results
from tests.unit.execution.played import row


def test_tables_can_be_read_while_the_study_runs(study):
    """After a flush pandas, pyarrow, DuckDB and polars read the parts."""
    s = study()
    s.session.report(s.session.next().trial_id, Report((row(1, 0.5), row(2, 0.6)), 2))
    s.recorder.flush_state(s.session.state())
    folder = s.store.local / "epochs"
    part = next(folder.glob("*.parquet"))
    assert len(pd.read_parquet(folder)) == 2
    assert pq.read_table(folder).num_rows == 2
    assert pl.read_parquet(part).height == 2
    assert duckdb.sql(f"select max(score) from '{folder}/*.parquet'").fetchall() == [(0.6,)]
    assert load_results(s.store.uri).trials["state"].tolist() == ["running"]


def test_the_end_leaves_one_file_a_table(study):
    """Parts are compacted, the rows are the same, and no temporary file stays."""
    s = study()
    for epoch in (1, 2, 3):
        if epoch == 1:
            s.session.next()
        s.session.report("0000", Report((row(epoch, epoch / 10),), epoch))
        s.recorder.flush_state(s.session.state())
    assert len(s.store.files("epochs")) == 3
    s.recorder.close("finished")
    assert s.store.files("epochs") == ["epochs/all-0001.parquet"]
    assert s.store.read_table("epochs")["score"].to_pylist() == [0.1, 0.2, 0.3]
    assert not [path for path in s.store.local.rglob("*") if path.name.startswith(".")]


def test_a_metric_that_appears_late_gets_its_column(study):
    """Parts with and without it are read as one table; where it was missing it is null."""
    s = study()
    trial_id = s.session.next().trial_id
    s.session.report(trial_id, Report((row(1, 0.1),), 1))
    s.recorder.flush()
    s.session.report(trial_id, Report((row(2, 0.2, **{"Top-5 Acc": 0.9}),), 2))
    s.recorder.close("finished")
    assert s.store.read_table("epochs")["top_5_acc"].to_pylist() == [None, 0.9]


def test_a_metric_cannot_take_a_column_of_the_table(study):
    """A metric called `epoch` or `config_x` gets a column of its own."""
    s = study()
    s.session.report(s.session.next().trial_id, Report((row(1, 0.1, epoch=7.0, config_x=8.0),), 1))
    s.recorder.close("finished")
    found = s.store.read_table("epochs").to_pylist()[0]
    assert (found["epoch"], found["metric_epoch"], found["metric_config_x"]) == (1, 7.0, 8.0)
    assert found["config_x"] != 8.0


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_the_session_says_how_it_ended(study, state):
    """The session's file holds the end, and the results' state is that."""
    s = study()
    s.play(lambda _t, _c, e: float(e))
    s.recorder.close(state, "why")
    results = load_results(s.store.uri)
    assert results.state == state
    assert results.sessions[-1]["message"] == "why"


def test_metrics_that_collide_keep_their_columns_after_a_resume(study):
    """Whatever order the model tells them in."""
    s = study()
    assignment = s.session.next()
    s.session.report(assignment.trial_id, Report((row(1, 0.5, **{"a-b": 1.0, "a b": 2.0}),), 1))
    s.recorder.flush_state(s.session.state())
    second = Recorder(s.store, s.session.job, session=2)
    second.epochs(assignment.trial_id, assignment.config, [row(2, 0.5, **{"a b": 2.0, "a-b": 1.0})])
    second.begin({})
    second.flush()
    rows = s.store.read_table("epochs").to_pylist()
    assert {(each["a_b"], each["a_b_2"]) for each in rows} == {(2.0, 1.0)}


def test_an_epoch_stays_that_of_the_session_that_recorded_it(study):
    """A checkpoint brings its rows along into the next session; what is trained again there is new."""
    s = study()
    assignment = s.session.next()
    s.session.report(assignment.trial_id, Report((row(1, 0.5), row(2, 0.6)), 2))
    s.recorder.flush_state(s.session.state())
    second = Recorder(s.store, s.session.job, session=2)
    again = replace(row(2, 0.6), time=2e9)
    second.epochs(assignment.trial_id, assignment.config, [row(1, 0.5), again, row(3, 0.7)])
    second.begin({})
    second.close("finished")
    rows = s.store.read_table("epochs").to_pylist()
    assert [(each["epoch"], each["session"]) for each in rows] == [(1, 1), (2, 2), (3, 2)]
