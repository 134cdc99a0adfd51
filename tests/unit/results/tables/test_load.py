import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

from pipeline.errors import JobNotFound, StorageError, UserError
from pipeline.results import Results, load_results
from pipeline.results.tables import load
from pipeline.results.tables.load import config_of
from pipeline.space import Choice
from pipeline.storage import Store
from pipeline.study import Objective, layout
from tests.unit.results.studies import START, Recording, columns_of, every_domain_study, tune_job
from tests.unit.results.tables.rows import CONFIG


def test_the_frames_have_every_column_of_the_schema(asha_results: Results) -> None:
    """Trials, epochs and decisions are loaded as frames with the documented columns."""
    for name in ("trials", "epochs", "decisions"):
        frame = getattr(asha_results, name)
        assert set(columns_of(name)) <= set(frame.columns)
        assert len(frame)


def test_best_is_the_best_epoch_of_the_best_trial(asha_results: Results) -> None:
    """The best of a study is the largest value that counts, with its trial, its epoch and the config used there."""
    failed = asha_results.trials.loc[asha_results.trials["state"] == "failed", "trial_id"]
    counting = asha_results.epochs[~asha_results.epochs["trial_id"].isin(failed)]
    top = counting.loc[counting["val_accuracy"].idxmax()]
    best = asha_results.best

    assert asha_results.objective == Objective("val_accuracy", "max")
    assert best is not None
    assert (best.trial_id, best.value, best.epoch) == (top["trial_id"], top["val_accuracy"], top["epoch"])
    assert best.config == {name: top[f"config_{name}"] for name in asha_results.space}


def test_the_best_config_of_a_population_is_that_of_its_best_epoch(tmp_path: Path) -> None:
    """The best config of a population is the one in use at the best epoch, not one explored later."""
    study = Recording(tmp_path, tune_job("moves"))
    explored = CONFIG | {"lr": 0.9}
    study.decide("0000", 0, "start", 0.0, config_after=CONFIG)
    study.train("0000", 1, CONFIG, 0.9, 1.0)
    study.decide("0000", 1, "exploit", 1.5, config_before=CONFIG, config_after=explored, parent_trial="0001")
    study.train("0000", 2, explored, 0.1, 2.0, segment=2)
    study.end(2.0)
    results = load_results(study.store.uri)

    assert results.best is not None
    assert results.best.config == CONFIG
    assert results.trials["config_lr"].tolist() == [CONFIG["lr"]]


def test_ties_go_to_the_earlier_epoch_and_then_to_the_lower_id(study: Recording) -> None:
    """Of trials with the same value, the one with the earlier epoch and then the lower id is best."""
    for trial, values in {"0000": [0.1, 0.8], "0001": [0.8], "0002": [0.8]}.items():
        for epoch, value in enumerate(values, start=1):
            study.train(trial, epoch, CONFIG, value, float(epoch))
    study.end(2.0)
    best = load_results(study.store.uri).best

    assert best is not None
    assert (best.trial_id, best.epoch) == ("0001", 1)


def test_a_failed_trial_is_never_best(study: Recording) -> None:
    """A failed trial is never the best, and a study without other trials has no best."""
    study.train("0000", 1, CONFIG, 0.99, 1.0)
    study.decide("0000", 2, "fail", 2.0, "loss is NaN")
    study.flush()
    assert load_results(study.store.uri).best is None

    study.session = 2
    study.train("0001", 1, CONFIG, 0.5, 3.0)
    study.end(3.0)
    best = load_results(study.store.uri).best
    assert best is not None
    assert best.trial_id == "0001"


def test_values_of_a_choice_are_restored_as_they_were_drawn(tmp_path: Path) -> None:
    """Values of a choice with mixed types are restored from text to the values that were drawn."""
    study = every_domain_study(tmp_path)
    results = load_results(study.store.uri)
    started = results.decisions[results.decisions["kind"] == "start"]
    drawn = {row["trial_id"]: json.loads(row["config_after"]) for row in started.to_dict("records")}

    for row in results.trials.to_dict("records"):
        config = config_of(row, results.space)
        assert config == drawn[row["trial_id"]]
        assert {name: type(value) for name, value in config.items()} == {
            name: type(value) for name, value in drawn[row["trial_id"]].items()
        }


def test_whole_numbers_among_floats_stay_whole() -> None:
    """A choice's whole number that a column of floats stores as 1.0 is 1 again in the config."""
    config = config_of({"config_a": 1.0, "config_b": "true"}, {"a": Choice((1, 0.5)), "b": Choice((1, True))})

    assert repr(config) == "{'a': 1, 'b': True}"


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_the_state_is_that_of_the_last_session(study: Recording, state: str) -> None:
    """The state of a study is that of its last session."""
    study.end(1.0, "interrupted")
    study.session = 2
    study.end(2.0, state, started=10.0)
    results = load_results(study.store.uri)

    assert results.state == state
    assert results.seconds == 3.0


def test_a_driver_without_heartbeat_is_interrupted(study: Recording) -> None:
    """A study whose driver has no recent heartbeat is interrupted."""
    study.end(5.0, "running")
    beat = START + timedelta(seconds=5)

    assert load_results(study.store.uri, now=beat + timedelta(seconds=59)).state == "running"
    assert load_results(study.store.uri, now=beat + timedelta(seconds=61)).state == "interrupted"


def test_a_study_that_ends_while_it_is_read_is_not_finished_without_its_last_rows(
    study: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that ends after its tables were read counts as it was before, and not as ended without the last rows."""
    study.train("0000", 1, CONFIG, 0.9, 1.0)
    study.end(1.0, state="running")
    whole = load.read_tables

    def read_before_the_end(*arguments: Any) -> Any:
        tables = whole(*arguments)
        study.train("0000", 2, CONFIG, 0.95, 2.0)
        study.end(2.0)
        return tables

    monkeypatch.setattr(load, "read_tables", read_before_the_end)
    during = load_results(study.store.uri, now=START)
    monkeypatch.undo()
    after = load_results(study.store.uri)
    assert (during.state, len(during.epochs)) == ("running", 1)
    assert (after.state, len(after.epochs)) == ("finished", 2)


def test_a_study_before_its_first_session_waits(study: Recording) -> None:
    """A study that has only its study.json has empty frames, no best value and no seconds."""
    results = load_results(study.store.uri)

    assert results.state == "waiting"
    assert results.best is None
    assert results.seconds == 0
    assert results.trials.empty
    assert results.epochs.empty
    assert results.decisions.empty


def test_a_missing_study_names_those_there_are(asha: Recording) -> None:
    """The error for a missing study lists the studies in its folder, or those in the given folder."""
    with pytest.raises(JobNotFound, match=r"no study 'nothing'.*Available: mnist-asha"):
        load_results(asha.root / "nothing")
    with pytest.raises(JobNotFound, match="contains some: mnist-asha"):
        load_results(asha.root)


def test_an_empty_storage_is_reported_with_what_to_do(tmp_path: Path) -> None:
    """If a storage has no study, the message says how to create one."""
    with pytest.raises(JobNotFound, match=r"There is no study .* contains no studies\. `tunepipe run JOB`"):
        load_results(tmp_path / "nothing")


@pytest.mark.parametrize("version", [99, 0, "1", None, True])
def test_an_unknown_schema_version_is_refused(study: Recording, version: object) -> None:
    """A study.json with an unknown schema version is refused."""
    study.store.write(layout.STUDY, json.dumps(study.study | {"schema_version": version}))

    with pytest.raises(StorageError, match="reads up to 1"):
        load_results(study.store.uri)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 1, "job": {"name": 3}}']
)
def test_a_damaged_study_file_is_reported(study: Recording, text: str) -> None:
    """A study.json that is not the JSON of a study is reported by its name, without a traceback."""
    study.store.write(layout.STUDY, text)

    with pytest.raises(UserError, match=r"study\.json"):
        load_results(study.store.uri)


def test_a_damaged_session_file_is_reported(study: Recording) -> None:
    """A session file that is not JSON is reported by its name."""
    study.store.write(layout.session(1), "{")

    with pytest.raises(StorageError, match=r"sessions/0001\.json"):
        load_results(study.store.uri)


def test_a_copied_study_reads_the_same_without_its_functions(asha: Recording, tmp_path: Path) -> None:
    """A copied study has the same results in another folder, even if its job's functions do not exist."""
    for path in asha.store.files():
        Store(tmp_path / "copy").write(path, asha.store.read(path))
    content = json.loads((tmp_path / "copy" / layout.STUDY).read_text())
    content["job"]["model"] = {"function": "gone.for_ever:build", "sha256": "0"}
    (tmp_path / "copy" / layout.STUDY).write_text(json.dumps(content))
    here, there = load_results(asha.store.uri), load_results(tmp_path / "copy")

    assert here.best == there.best
    pd.testing.assert_frame_equal(here.trials, there.trials)


def test_the_parts_open_in_other_libraries(asha: Recording, asha_results: Results) -> None:
    """DuckDB, polars, pandas and pyarrow read a study's parts directly and count the same rows."""
    folder = asha.root / asha.job.name / "epochs"
    rows = asha.store.read_table("epochs").num_rows
    query = f"SELECT count(*), max(val_accuracy) FILTER (isfinite(val_accuracy)) FROM '{folder}/*.parquet'"
    count, top = duckdb.sql(query).fetchall()[0]

    assert count == rows
    assert pl.read_parquet(f"{folder}/*.parquet").height == rows
    assert len(pd.read_parquet(folder)) == rows
    assert ds.dataset(folder, format="parquet").count_rows() == rows
    assert top == 0.999  # the superseded row is in the parts, and not in the results
    assert asha_results.best is not None
    assert asha_results.best.value < 0.999


def test_reading_results_imports_nothing_heavy(asha: Recording) -> None:
    """Results are read, ranked and printed as JSON without Ray, TensorFlow, Keras, matplotlib or scikit-learn."""
    code = (
        "import sys, json\n"
        "from pipeline.results.tables.load import load_results, postpone_pandas\n"
        "from pipeline.results.tables.trials import ranked\n"
        "postpone_pandas()\n"
        f"results = load_results({asha.store.uri!r})\n"
        "print(json.dumps({'study': results.name, 'best': ranked(results)[0]}))\n"
        "heavy = {'ray', 'tensorflow', 'keras', 'matplotlib', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["study"] == asha.job.name


def test_results_in_a_prompt_are_one_line(asha_results: Results) -> None:
    """The text of results in a prompt has the name, the state and the best, without rows of tables."""
    reported = repr(asha_results)

    assert reported.startswith("<Results of 'mnist-asha': finished, 24 trials, 64 epochs, best val_accuracy=0.96")
    assert len(reported.splitlines()) == 1


def test_the_space_is_read_once(asha_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """The space of results is read from the job once, and a change of what it returns does not change the results."""
    asked: list[object] = []
    parameters_of = load.parameters_of
    monkeypatch.setattr(load, "parameters_of", lambda study: asked.append(study) or parameters_of(study))
    results = replace(asha_results)
    results.space.clear()
    results.parameters.clear()
    assert set(results.space) == {parameter.name for parameter in results.parameters} == set(asha_results.space)
    assert len(asked) == 1


def test_test_metrics_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    """Test metrics of an export count as long as the exported trial and epoch are the best there is."""
    study = Recording(tmp_path, tune_job("tested"))
    for epoch, value in ((1, 0.5), (2, 0.6)):
        study.train("0000", epoch, {"lr": 0.1}, value, float(epoch))
    study.end(3.0)
    for trial, epoch, test in (("0000", 2, {"test_loss": 0.25}), ("0000", 1, None), ("0001", 2, None)):
        winner = {"trial_id": trial, "epoch": epoch, "metrics": {"test_loss": 0.25}}
        study.store.write(layout.WINNER, json.dumps(winner))
        assert load_results(study.store.uri).test == test
