import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.results import Results
from pipeline.results.gather import clean_decisions, clean_epochs, derive_trials, gather, newest_checkpoints
from pipeline.space import Choice
from pipeline.storage.schema import arrow_schema
from pipeline.study import layout
from tests.unit.results.studies import HOSTILE, Recording, columns_of, tune_job

CONFIG = {"lr": 0.1, "momentum": 0.5, "units": 32, "optimizer": "sgd", "dropout": 0.1, "epochs_warm": 2}


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A study without a row."""
    return Recording(tmp_path, tune_job("small"))


def trials_of(study: Recording) -> dict[str, dict[str, object]]:
    """Rows of `trials` by id, after what was recorded so far."""
    study.flush()
    return {row["trial_id"]: row for row in gather(study.store, study.study).trials.to_pylist()}


def assert_same(table: pa.Table, other: pa.Table) -> None:
    """Equal, NaN with NaN too."""
    pd.testing.assert_frame_equal(table.to_pandas(), other.to_pandas())


def test_a_study_without_a_part_has_empty_tables_with_every_column(study: Recording) -> None:
    """Before the first flush the tables are empty, with the columns they will have."""
    tables = gather(study.store, study.study)

    assert tables.trials.num_rows == tables.epochs.num_rows == tables.decisions.num_rows == 0
    assert tables.trials.schema == arrow_schema("trials", study.job.space)
    assert set(columns_of("decisions")) == set(tables.decisions.column_names)


def test_the_newest_attempt_counts_whatever_the_order_of_its_rows(study: Recording) -> None:
    """An epoch trained twice has one row: that of the newest session, then of the newest attempt."""
    study.train("0000", 1, CONFIG, 0.5, 1.0, attempt=2)
    study.train("0000", 1, CONFIG, 0.9, 2.0, attempt=1)
    study.train("0000", 2, CONFIG, 0.6, 3.0, attempt=3, session=1)
    study.train("0000", 2, CONFIG, 0.7, 4.0, attempt=1, session=2)
    study.flush(rows=1)

    epochs = gather(study.store, study.study).epochs

    assert epochs["epoch"].to_pylist() == [1, 2]
    assert epochs["val_accuracy"].to_pylist() == [0.5, 0.7]


def test_gathering_clean_tables_changes_nothing(asha: Recording) -> None:
    """Clean tables made clean again, and trials derived from raw or clean rows, are the same."""
    tables = gather(asha.store, asha.study)
    raw = asha.store.read_table("epochs")

    assert raw.num_rows == tables.epochs.num_rows + 1
    assert_same(clean_epochs(tables.epochs), tables.epochs)
    assert_same(clean_decisions(tables.decisions), tables.decisions)
    checkpoints = newest_checkpoints(asha.store.files("checkpoints"))
    derived = derive_trials(raw, tables.decisions, study=asha.study, checkpoints=checkpoints)
    assert_same(derived, tables.trials)


def test_rows_in_any_order_give_the_same_tables(asha: Recording) -> None:
    """Parts may be listed, and rows written, in any order."""
    tables = gather(asha.store, asha.study)
    order = np.random.default_rng(0).permutation(tables.epochs.num_rows)

    assert_same(clean_epochs(tables.epochs.take(pa.array(order))), tables.epochs)


def test_a_compacted_file_beside_its_parts_changes_nothing(study: Recording) -> None:
    """While a compaction is under way every row lies there twice, and counts once."""
    for trial in ("0000", "0001"):
        study.decide(trial, 0, "start", 0.0, config_after=CONFIG)
        study.train(trial, 1, CONFIG, 0.5, 1.0)
    before = trials_of(study)
    for table in ("epochs", "decisions"):
        study.store.write_table(layout.compacted(table, 1), study.store.read_table(table))

    assert trials_of(study) == before


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["start"], "running"),
        (["start", "stop"], "stopped"),
        (["start", "finish"], "completed"),
        (["start", "fail"], "failed"),
        (["start", "pause"], "paused"),
        (["start", "pause", "promote"], "running"),
        (["start", "exploit"], "paused"),
        (["start", "retry"], "waiting"),
        (["start", "stop", "resume"], "running"),
    ],
)
def test_a_trials_state_is_what_its_last_decision_left(study: Recording, kinds: list[str], state: str) -> None:
    """Each kind of decision leaves a trial in a state of its own."""
    for kind in kinds:
        study.decide("0000", 0, kind, 0.0)

    assert trials_of(study)["0000"]["state"] == state


def test_a_retried_trial_runs_once_its_new_attempt_reports(study: Recording) -> None:
    """A trial whose worker was lost waits until an epoch of the next attempt is there."""
    study.decide("0000", 0, "start", 0.0)
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.decide("0000", 1, "retry", 2.0)
    assert (trials_of(study)["0000"]["state"], trials_of(study)["0000"]["attempts"]) == ("waiting", 2)

    study.train("0000", 1, CONFIG, 0.5, 3.0, attempt=2)
    study._part = 10
    assert trials_of(study)["0000"]["state"] == "running"


def test_the_best_epoch_is_the_earlier_of_two_that_tie_and_never_nan(study: Recording) -> None:
    """Values that are not finite are never best, whichever mode."""
    for epoch, value in enumerate([0.2, 0.7, float("nan"), 0.7, float("inf"), 0.1], start=1):
        study.train("0000", epoch, CONFIG, value, float(epoch))
    row = trials_of(study)["0000"]

    assert (row["objective"], row["best_epoch"], row["last_objective"], row["epochs"]) == (0.7, 2, 0.1, 6)


def test_a_trial_whose_every_value_is_nan_has_no_best_epoch(study: Recording) -> None:
    """Without a finite value objective and best epoch are empty."""
    study.train("0000", 1, CONFIG, float("nan"), 1.0)
    row = trials_of(study)["0000"]

    assert row["objective"] is None
    assert row["best_epoch"] is None
    assert row["epochs"] == 1


def test_a_loss_is_best_where_it_is_smallest(domains_results: Results) -> None:
    """In mode min the smallest value counts."""
    smallest = domains_results.epochs.groupby("trial_id")["val_loss"].min()

    assert domains_results.trials.set_index("trial_id")["objective"].to_dict() == smallest.to_dict()


def test_seconds_are_those_of_the_rows_that_count(study: Recording) -> None:
    """Building, training, evaluating and checkpointing add up; superseded rows do not count."""
    seconds = {"seconds_build": 1.0, "seconds_train": 2.0, "seconds_evaluate": 0.5, "seconds_checkpoint": 0.25}
    study.train("0000", 1, CONFIG, 0.5, 1.0, **seconds)
    study.train("0000", 1, CONFIG, 0.5, 2.0, attempt=2, **seconds)

    assert trials_of(study)["0000"]["seconds"] == 3.75


def test_an_exploit_gives_its_parent_and_the_config_explored(pbt: Recording, pbt_results: Results) -> None:
    """The last exploit names the parent, and config_* are as explored last."""
    exploits = pbt_results.decisions[pbt_results.decisions["kind"] == "exploit"].groupby("trial_id").last()
    trials = pbt_results.trials.set_index("trial_id")

    assert len(exploits) >= 2
    for trial_id, exploit in exploits.iterrows():
        assert trials.loc[trial_id, "parent"] == exploit["parent_trial"]
        assert trials.loc[trial_id, "config_lr"] == json.loads(exploit["config_after"])["lr"]
    assert trials.drop(exploits.index)["parent"].isna().all()


def test_a_config_comes_from_the_epochs_where_no_decision_tells(study: Recording) -> None:
    """A trial whose start was not recorded has the config its epochs were trained with."""
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    row = trials_of(study)["0000"]

    assert {name: row[f"config_{name}"] for name in CONFIG} == CONFIG


def test_a_failed_trial_carries_its_traceback_and_others_no_error(asha_results: Results) -> None:
    """The reason of the failure is the trial's error, word by word."""
    trials = asha_results.trials.set_index("trial_id")

    assert HOSTILE in trials.loc["0004", "error"]
    assert "NaN" in trials.loc["0009", "error"]
    assert trials.drop(["0004", "0009"])["error"].isna().all()


def test_a_choice_of_mixed_types_is_text(domains: Recording) -> None:
    """Where a choice mixes types, its column holds each value's JSON, text as it is."""
    mixed = gather(domains.store, domains.study).trials["config_mix"].to_pylist()

    assert set(mixed) <= {"0.5", "auto", "true"}
    assert "auto" in mixed


def test_the_newest_checkpoint_is_the_one_of_the_last_epoch() -> None:
    """Of several checkpoints of a trial the one of its latest epoch is named; other files are not."""
    paths = ["checkpoints/0001/000003.ckpt", "checkpoints/0001/000012.ckpt", "checkpoints/0001/notes.txt"]

    assert newest_checkpoints(paths) == {"0001": "checkpoints/0001/000012.ckpt"}


def test_trials_are_in_order_of_their_numbers(study: Recording) -> None:
    """Trial 10000 follows 9999."""
    for trial in ("10000", "9999", "0002"):
        study.decide(trial, 0, "start", 0.0)

    assert list(trials_of(study)) == ["0002", "9999", "10000"]


def test_a_part_of_an_unknown_schema_version_is_refused(study: Recording) -> None:
    """What a newer tunepipe wrote is not guessed at."""
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.flush()
    path = study.store.files("epochs")[0]
    table = study.store.read_table(path).replace_schema_metadata({"schema_version": "99"})
    study.store.write_table(path, table)

    with pytest.raises(StorageError, match="schema version 99"):
        gather(study.store, study.study)


def test_a_metric_that_appears_later_is_united_by_name(tmp_path: Path) -> None:
    """Parts with different metrics make one table; what a part did not know is empty."""
    job = tune_job("grows", space={"optimizer": Choice(("a", "b"))})
    study = Recording(tmp_path, job, metrics=("val_accuracy",))
    study.train("0000", 1, {"optimizer": "a"}, 0.5, 1.0)
    study.flush()
    study.metrics = ("val_accuracy", "val_auc")
    study.train("0000", 2, {"optimizer": "a"}, 0.6, 2.0)
    study.flush()

    assert gather(study.store, study.study).epochs["val_auc"].to_pylist() == [None, 0.6]


def test_decisions_that_the_next_session_knew_nothing_of_no_longer_hold(study: Recording) -> None:
    """A driver wrote two decisions more than its last state held: the next one counts on from that state."""
    for number, kind in enumerate(["start", "pause", "stop"], 1):
        study.decide("0000", number, kind, at=number)
    study.flush()
    study.session, study._number = 2, 1
    study.decide("0000", 1, "resume", at=10)
    study.flush()
    decisions = gather(study.store, study.study).decisions
    assert decisions["number"].to_pylist() == [1, 2]
    assert decisions["kind"].to_pylist() == ["start", "resume"]
