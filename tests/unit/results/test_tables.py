"""A study's tables, read back: its trials, its best, its front, its state; and the studies of a storage at a glance."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given as example, strategies as st

from pipeline.errors import JobNotFound, StorageError
from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import span_in_words
from pipeline.results.tables import load
from pipeline.results.tables.load import configs_of, overview
from pipeline.results.tables.trials import board, configs_at_best, on_front, pareto_front, trial_row, warm_start_configs
from pipeline.results.views.study import results_object, summary
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform, fits
from pipeline.storage import Store, layout
from pipeline.storage.tables import read_tables
from pipeline.study import Objective
from tests.command import rows_of
from tests.front_studies import recorded
from tests.recorded_studies import (
    SPACE as DRAWN,
    START,
    Recording,
    asha_study,
    columns_of,
    every_domain_study,
    tune_job,
)
from tests.stored_tables import stored_table


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    return Recording(tmp_path, tune_job("small"))


def test_the_frames_have_every_column_of_the_schema_and_can_be_changed(asha_results: Results) -> None:
    for name in ("trials", "epochs", "decisions"):
        assert set(columns_of(name)) <= set(getattr(asha_results, name).columns)
    again = replace(asha_results)
    again.trials.loc[0, "objective"] = 7.0
    assert again.trials["objective"][0] == 7.0
    assert asha_results.trials["objective"][0] != 7.0


def test_best_is_the_best_epoch_of_the_best_trial(asha_results: Results) -> None:
    failed = asha_results.trials.loc[asha_results.trials["state"] == "failed", "trial_id"]
    counting = asha_results.epochs[~asha_results.epochs["trial_id"].isin(failed)]
    top, best = counting.loc[counting["val_accuracy"].idxmax()], asha_results.best
    assert best is not None
    assert (best.trial_id, best.value, best.epoch) == (top["trial_id"], top["val_accuracy"], top["epoch"])
    assert best.config == {name: top[f"config_{name}"] for name in asha_results.space}
    assert board(asha_results)["trial_id"].to_pylist()[0] == best.trial_id
    assert repr(asha_results).startswith("<Results of 'mnist-asha': ended, 24 trials, 64 epochs, best val_accuracy=")


def test_configs_are_those_of_the_best_epochs(pbt_results: Results, asha_results: Results) -> None:
    found = configs_at_best(pbt_results)
    epochs = pbt_results.epochs.set_index(["trial_id", "epoch"])
    for trial, best_epoch in zip(pbt_results.trials["trial_id"], pbt_results.trials["best_epoch"], strict=True):
        assert found[trial]["lr"] == epochs.loc[(trial, best_epoch), "config_lr"]
    assert configs_at_best(pbt_results, ["0003"]) == {"0003": found["0003"]}
    # A trial without a value has the config that it has now.
    assert configs_at_best(asha_results, ["0004"])["0004"]["lr"] == trial_row(asha_results, "0004")["config_lr"]


def test_values_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    results = load_results(every_domain_study(tmp_path).store.uri)
    started = results.decisions[results.decisions["kind"] == "start"]
    drawn = [json.loads(text) for text in started["config_after"]]
    for found, expected in zip(configs_of(results.table("trials"), results.space), drawn, strict=True):
        assert found == expected
        assert [type(found[name]) for name in found] == [type(expected[name]) for name in found]


def test_a_study_that_ends_while_it_is_read_has_not_ended_without_its_last_rows(
    study: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.train("0000", 1, {}, 0.9, 1.0)
    study.end(1.0, state="running")
    whole = load.read_tables

    def read_before_the_end(*arguments: Any, **options: Any) -> Any:
        tables = whole(*arguments, **options)
        study.train("0000", 2, {}, 0.95, 2.0)
        study.end(2.0)
        return tables

    monkeypatch.setattr(load, "read_tables", read_before_the_end)
    during = load_results(study.store.uri, now=START)
    monkeypatch.undo()
    after = load_results(study.store.uri)
    assert (during.state, len(during.epochs)) == ("running", 1)
    assert (after.state, len(after.epochs)) == ("ended", 2)


def test_a_missing_study_names_those_there_are(asha: Recording, tmp_path: Path) -> None:
    for place, named in ((asha.root / "nothing", "mnist-asha"), (tmp_path / "x", "run")):
        with pytest.raises(JobNotFound, match=named):
            load_results(place)


def test_the_parts_open_in_other_libraries(asha: Recording) -> None:
    folder, rows = asha.root / asha.job.name / "epochs", stored_table(asha.store, "epochs").num_rows
    assert duckdb.sql(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall() == [(rows,)]
    assert pl.read_parquet(f"{folder}/*.parquet").height == rows
    assert len(pd.read_parquet(folder)) == rows
    assert ds.dataset(folder, format="parquet").count_rows() == rows


def test_test_metrics_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("tested"))
    for epoch, value in ((1, 0.5), (2, 0.6)):
        study.train("0000", epoch, {"lr": 0.1}, value, float(epoch))
    study.end(3.0)
    for trial, epoch, test in (("0000", 2, {"test_loss": 0.25}), ("0000", 1, None), ("0001", 2, None)):
        winner = {"trial_id": trial, "epoch": epoch, "metrics": {"test_loss": 0.25}}
        study.store.write(layout.WINNER, json.dumps(winner))
        assert load_results(study.store.uri).test == test
    # The last one is a number beyond floats.
    for metrics in ("[]", '{"test_loss": "x"}', f'{{"test_loss": 1{"0" * 400}}}'):
        study.store.write(layout.WINNER, f'{{"trial_id": "0000", "epoch": 2, "metrics": {metrics}}}')
        with pytest.raises(StorageError, match=layout.WINNER):
            load_results(study.store.uri)


_values = st.lists(
    st.tuples(*[st.one_of(st.integers(0, 4).map(float), st.just(np.nan), st.just(np.inf))] * 3), max_size=12
)


@example(points=_values, modes=st.tuples(*[st.sampled_from(["min", "max"])] * 3))
def test_the_front_has_the_trials_that_no_other_dominates(
    points: list[tuple[float, ...]], modes: tuple[str, ...]
) -> None:
    values = np.array(points, np.float64).reshape(-1, 3)
    signed = values * [1 if mode == "max" else -1 for mode in modes]
    expected = [
        bool(np.isfinite(one).all())
        and not any(np.isfinite(other).all() and (other >= one).all() and (other > one).any() for other in signed)
        for one in signed
    ]
    assert on_front(values, modes).tolist() == expected


def test_a_trial_stands_for_its_best_epoch_in_the_first_objective(tmp_path: Path) -> None:
    results = load_results(recorded(tmp_path).store.uri)
    assert [(one["trial_id"], one["epoch"], *one["values"].values()) for one in pareto_front(results)] == [
        ("0003", 1, 0.95, 20_000.0), ("0000", 1, 0.9, 1000.0), ("0001", 1, 0.8, 50.0), ("0004", 1, 0.5, 10.0),
    ]  # fmt: skip
    assert results.best is not None
    assert results.best.trial_id == "0003"
    assert summary(results)["front"].startswith("4 of 6 trials")
    reported = results_object(results)
    first = rows_of(json.dumps(reported, allow_nan=False), "trials")[0]
    assert [first[name] for name in ("trial_id", "objective", "parameters", "front")] == ["0003", 0.95, 20_000.0, True]
    assert [one["metric"] for one in reported["objectives"]] == ["val_accuracy", "parameters"]


def test_a_front_may_be_one_trial_or_empty_and_keeps_within_bounds(tmp_path: Path, asha_results: Results) -> None:
    assert [one["trial_id"] for one in pareto_front(asha_results)] == board(asha_results)["trial_id"].to_pylist()[:1]
    assert "front" not in summary(asha_results)
    missing = load_results(recorded(tmp_path / "a", Objective("speed", "max")).store.uri)
    assert pareto_front(missing) == []
    bounded = load_results(recorded(tmp_path / "b", Objective("parameters", "min", at_most=1000)).store.uri)
    assert [one["trial_id"] for one in pareto_front(bounded)] == ["0000", "0001", "0004"]


def test_an_overview_equals_the_results_of_its_studies(tmp_path: Path) -> None:
    for study in (asha_study(tmp_path), every_domain_study(tmp_path)):
        study.store.write_table(layout.TRIALS, read_tables(study.store, study.study).trials)
    damaged = asha_study(tmp_path, name="damaged")
    damaged.store.write(layout.TRIALS, b"PAR1")
    other = asha_study(tmp_path, name="other")
    other.store.write_table(
        layout.TRIALS, pa.table({"state": [1], "objective": ["x"], "violation": [[]], "epochs": [""]})
    )
    rows = overview(Store(tmp_path))
    assert len(rows) == 4
    for row in rows:
        results = load_results(row.location)
        assert results.best is not None
        assert (row.name, row.state, row.trials) == (results.name, results.state, len(results.trials))
        assert (row.epochs, row.metric) == (len(results.epochs), results.objective.metric)
        assert (row.best, row.started, row.fault) == (results.best.value, START, None)


def test_a_study_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    Recording(tmp_path, tune_job("good")).end(1.0)
    Store(tmp_path).write("broken/study.json", "{")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "study.json").symlink_to("../good/study.json")
    rows = {row.name: row for row in overview(Store(tmp_path))}
    states = {name: row.state for name, row in rows.items()}
    assert states == {"good": "ended", "broken": "unreadable", "x": "unreadable"}
    assert "study.json" in str(rows["broken"].fault)


@pytest.mark.parametrize(("limit", "best"), [(1000, 0.9), (1, 0.5)])
def test_the_best_at_a_glance_is_within_bounds_and_did_not_fail(tmp_path: Path, limit: int, best: float) -> None:
    recorded(tmp_path, Objective("parameters", "min", at_most=limit))
    assert [row.best for row in overview(Store(tmp_path))] == [best]


def test_a_notebook_shows_the_study_and_its_best_trials(asha_results: Results) -> None:
    text = asha_results._repr_html_()
    assert text.count("<tr") == 11
    assert f"<td>{asha_results.best.trial_id}</td>" in text
    assert "14 more" in text
    job = {**asha_results.job, "name": "<b>x</b>"}
    assert "<b>" not in replace(asha_results, study={**asha_results.study, "job": job})._repr_html_()


def best_configs(results: Results, top: int) -> list[dict[str, Any]]:
    configs = configs_of(board(results).slice(0, top), results.space)
    return [{n: v for n, v in config.items() if n != "epochs_warm"} for config in configs]


def test_values_of_a_name_that_a_branch_fixes_are_shown() -> None:
    assert span_in_words("relu", ["relu", "relu"]) == "relu"


def test_values_outside_of_the_space_are_left_out(asha_results: Results) -> None:
    first = best_configs(asha_results, 1)[0]
    space = {"lr": LogUniform(first["lr"] * 2, 10.0), "optimizer": DRAWN["optimizer"], "decay": Uniform(0, 1)}
    assert list(warm_start_configs(asha_results, space, 1, []).values()) == [{"optimizer": first["optimizer"]}]


def test_values_become_what_the_new_domain_draws(asha_results: Results) -> None:
    first = best_configs(asha_results, 1)[0]
    space = {
        "units": Choice([float(first["units"]), 7.5]),
        "optimizer": Switch({first["optimizer"]: {"momentum": Uniform(0.0, 1.0)}, "other": {"lr": Uniform(0, 1)}}),
    }
    (config,) = warm_start_configs(asha_results, space, 1, []).values()
    assert config == {"units": float(first["units"]), "optimizer": first["optimizer"], "momentum": first["momentum"]}
    assert type(config["units"]) is float
    (whole,) = warm_start_configs(asha_results, {"units": IntUniform(1, 10_000)}, 1, []).values()
    assert type(whole["units"]) is int
    assert fits({"units": IntUniform(1, 10_000)}, whole)
