"""Tables that are read some trials at a time."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.results.tables.by_trials import TablesByTrials
from pipeline.results.tables.clean_tables import read_tables
from pipeline.space import Uniform
from pipeline.storage.metric_column import metric_column, metric_field
from pipeline.storage.schema import arrow_schema
from pipeline.study import Objective, layout
from tests.unit.results.studies import START, Recording, tune_job
from tests.unit.results.tables.rows import CONFIG


def assert_same_tables(study: Recording, *, values: int, turns: int | None = None) -> None:
    """Assert that the tables are those of `read_tables`, read in so many turns."""
    whole, found = read_tables(study.store, study.study), TablesByTrials(study.store, study.study, values=values)
    epochs, trials = zip(*found, strict=True)
    for table, expected in (
        (pa.concat_tables(epochs), whole.epochs),
        (pa.concat_tables(trials), whole.trials),
        (found.decisions, whole.decisions),
    ):
        assert table.schema.equals(expected.schema, check_metadata=True)
        # Not `equals`, to which NaN is not NaN.
        assert repr(table.to_pylist()) == repr(expected.to_pylist())
    assert found.schema.equals(whole.epochs.schema, check_metadata=True)
    assert turns is None or len(epochs) == turns


@pytest.mark.parametrize("values", [1, 500, 10**9], ids=["each trial", "some trials", "all trials"])
@pytest.mark.parametrize("name", ["asha", "pbt", "domains"])
def test_the_tables_are_those_of_all_rows_at_once(name: str, values: int, request: pytest.FixtureRequest) -> None:
    """However many trials are read at a time, rows, order and schemas are those of `read_tables`."""
    study: Recording = request.getfixturevalue(name)
    assert_same_tables(study, values=values, turns=1 if values == 10**9 else None)


def test_a_study_that_has_only_begun_has_its_tables(study: Recording) -> None:
    """A study without rows has empty tables, and one that has only decisions has its trials."""
    assert_same_tables(study, values=1, turns=1)
    study.decide("0000", 0, "start", 0.0, config_after=CONFIG)
    study.decide(None, None, "pause", 0.0)
    study.flush()
    assert_same_tables(study, values=1, turns=1)
    study.train("0001", 1, CONFIG, 0.5, 1.0)
    study.decide("0002", 0, "start", 0.0, config_after=CONFIG)
    study.flush()
    assert_same_tables(study, values=1)


def test_rows_of_a_compacted_file_are_read_in_its_groups(asha: Recording, tmp_path: Path) -> None:
    """A file of several groups of rows is read as its parts are."""
    study = Recording(tmp_path, asha.job)
    for table in ("epochs", "decisions"):
        rows = asha.store.read_table(table)
        parts = [rows.slice(first, 30) for first in range(0, rows.num_rows, 30)]
        study.store.write_tables(layout.compacted(table, 1), rows.schema, parts)
    assert len(study.store.parts("epochs").groups) > 2
    assert_same_tables(study, values=500)


@pytest.mark.parametrize("values", [1, 10**9])
def test_an_objective_that_is_reported_by_some_trials_is_not_measured(tmp_path: Path, values: int) -> None:
    """A metric that is called as a measured column is the objective of all trials if one of them reports it."""
    objectives = [Objective("score", "max"), Objective("parameters", "min", at_most=10)]
    job = tune_job("some", space={"lr": Uniform(0, 1)}, objectives=objectives)
    study = Recording(tmp_path, job, metrics=("score", metric_column("parameters")))
    for trial, reported in (("0000", None), ("0001", 5.0)):
        study.train(trial, 1, {"lr": 0.5}, 0.5, 1.0, parameters=3, **{metric_column("parameters"): reported})
    study.flush()
    assert_same_tables(study, values=values)
    assert read_tables(study.store, study.study).trials["violation"].to_pylist() == [1e300, 0.0]


def test_an_objective_of_an_earlier_version_keeps_its_values(tmp_path: Path) -> None:
    """An objective is read from the column of an earlier version and from that of now, whichever a part has."""
    job = tune_job("earlier", objectives=[Objective("точность", "max")], space={"lr": Uniform(0, 1)})
    study = Recording(tmp_path, job, metrics=("metric_",))
    for trial in ("0000", "0001"):
        study.train(trial, 1, {"lr": 0.5}, 0.25, 1)
    study.flush()
    row = {"study": "earlier", "session": 2, "attempt": 1, "segment": 1, "model_epoch": 2, "time": START}
    schema = arrow_schema("epochs", job.space, [metric_field("точность")])
    part = pa.Table.from_pylist([row | {"trial_id": "0000", "epoch": 2, "точность": 0.75}], schema)
    study.store.write_table(layout.part("epochs", 2, 1), part)
    for values in (1, 10**9):
        assert_same_tables(study, values=values)


def test_files_of_other_programs_are_refused(study: Recording) -> None:
    """A part that is not of the study is refused as `read_tables` refuses it."""
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.flush()
    rows = study.store.read_table("epochs")
    text = pa.array(["x"])
    for foreign in (
        rows.drop_columns(["epoch"]),
        rows.set_column(rows.schema.get_field_index("epoch"), "epoch", pa.nulls(1, pa.int64())),
        rows.set_column(rows.schema.get_field_index("config_lr"), "config_lr", text),
        rows.append_column("auc", text),
        rows.replace_schema_metadata({"schema_version": "99"}),
    ):
        study.store.write_table("epochs/backup.parquet", foreign)
        with pytest.raises(StorageError) as expected:
            read_tables(study.store, study.study)
        with pytest.raises(StorageError) as found:
            TablesByTrials(study.store, study.study)
        assert str(found.value) == str(expected.value)
