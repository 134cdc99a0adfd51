from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.results.tables.clean_tables import newest_checkpoints, read_tables
from pipeline.space import Choice, Uniform
from pipeline.storage.metric_column import metric_field
from pipeline.storage.schema import arrow_schema
from pipeline.study import Objective, layout
from tests.unit.results.studies import Recording, columns_of, tune_job
from tests.unit.results.tables.rows import CONFIG, trials_of


def test_a_study_without_a_part_has_empty_tables_with_every_column(study: Recording) -> None:
    """Before the first flush, tables are empty and have the columns of later tables."""
    tables = read_tables(study.store, study.study)

    assert tables.trials.num_rows == tables.epochs.num_rows == tables.decisions.num_rows == 0
    assert tables.trials.schema == arrow_schema("trials", study.job.space)
    assert set(columns_of("decisions")) == set(tables.decisions.column_names)


def test_a_compacted_file_beside_its_parts_changes_nothing(study: Recording) -> None:
    """Rows that are both in a compacted file and in its parts count once."""
    for trial in ("0000", "0001"):
        study.decide(trial, 0, "start", 0.0, config_after=CONFIG)
        study.train(trial, 1, CONFIG, 0.5, 1.0)
    before = trials_of(study)
    for table in ("epochs", "decisions"):
        study.store.write_table(layout.compacted(table, 1), study.store.read_table(table))

    assert trials_of(study) == before


def test_a_compacted_study_has_columns_in_one_chunk(study: Recording) -> None:
    """A column of a table that is stored in one file is one chunk, which a frame need not copy."""
    study.decide("0000", 0, "start", 0.0, config_after=CONFIG)
    study.train("0000", 1, CONFIG, 0.5, 1.0)

    assert {column.num_chunks for column in read_tables(study.store, study.study).epochs.columns} == {1}


def test_a_choice_of_mixed_types_is_text(domains: Recording) -> None:
    """The column of a choice with mixed types has the JSON of each value, except for texts, which are plain."""
    mixed = read_tables(domains.store, domains.study).trials["config_mix"].to_pylist()

    assert set(mixed) <= {"0.5", "auto", "true"}
    assert "auto" in mixed


def test_the_newest_checkpoint_is_the_one_of_the_last_epoch() -> None:
    """The newest checkpoint of a trial is that of its latest epoch, and other files are ignored."""
    paths = ["checkpoints/0001/000003.ckpt", "checkpoints/0001/000012.ckpt", "checkpoints/0001/notes.txt"]

    assert newest_checkpoints(paths) == {"0001": "checkpoints/0001/000012.ckpt"}


def test_a_part_of_an_unknown_schema_version_is_refused(study: Recording) -> None:
    """A part with the schema version of a newer tunepipe is refused."""
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.flush()
    path = study.store.files("epochs")[0]
    table = study.store.read_table(path).replace_schema_metadata({"schema_version": "99"})
    study.store.write_table(path, table)

    with pytest.raises(StorageError, match="schema version 99"):
        read_tables(study.store, study.study)


def test_a_metric_that_appears_later_is_united_by_name(tmp_path: Path) -> None:
    """Parts with different metrics make one table, in which metrics that a part lacks are empty."""
    job = tune_job("grows", space={"optimizer": Choice(("a", "b"))})
    study = Recording(tmp_path, job, metrics=("val_accuracy",))
    study.train("0000", 1, {"optimizer": "a"}, 0.5, 1.0)
    study.flush()
    study.metrics = ("val_accuracy", "val_auc")
    study.train("0000", 2, {"optimizer": "a"}, 0.6, 2.0)
    study.flush()

    assert read_tables(study.store, study.study).epochs["val_auc"].to_pylist() == [None, 0.6]


def test_an_objective_of_an_earlier_version_keeps_its_values(tmp_path: Path) -> None:
    """An objective in a column of an earlier version, with ASCII letters only, keeps its values."""
    job = tune_job("earlier", objectives=[Objective("точность", "max")], space={"lr": Uniform(0, 1)})
    study = Recording(tmp_path, job, metrics=("metric_",))
    study.train("0000", 1, {"lr": 0.5}, 0.25, 1)
    study.flush()
    assert read_tables(study.store, study.study).trials["objective"].to_pylist() == [0.25]
    part = pa.Table.from_pylist(
        [{**RAW, "trial_id": "0000", "epoch": 2, "точность": 0.75}],
        arrow_schema("epochs", job.space, [metric_field("точность")]),
    )
    study.store.write_table(layout.part("epochs", 2, 1), part)
    tables = read_tables(study.store, study.study)
    assert tables.epochs["точность"].to_pylist() == [0.25, 0.75]
    assert "metric_" not in tables.epochs.column_names
    assert tables.trials["objective"].to_pylist() == [0.75]


RAW = {
    "study": "earlier",
    "session": 2,
    "attempt": 1,
    "segment": 1,
    "model_epoch": 2,
    "time": datetime(2025, 1, 2, tzinfo=UTC),
}
"""The other values of a row of `epochs`."""
