"""The studies of a storage at a glance."""

from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from pipeline.errors import StorageUnreachable
from pipeline.results import load_results
from pipeline.results.tables import load as module
from pipeline.results.tables.load import overview
from pipeline.storage import Store
from pipeline.storage.tables import read_tables
from pipeline.study import Objective, layout
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import START, Recording, asha_study, every_domain_study, tune_job


def test_each_overview_equals_the_results_of_its_study(tmp_path: Path) -> None:
    """A study's name, state, trials, epochs, best and start equal those of load_results, even for a minimum."""
    for study in (asha_study(tmp_path), every_domain_study(tmp_path)):
        study.store.write_table(layout.TRIALS, read_tables(study.store, study.study).trials)

    for row in overview(Store(tmp_path)):
        results = load_results(row.location)
        assert (row.name, row.state, row.trials) == (results.name, results.state, len(results.trials))
        assert (row.epochs, row.metric, row.best) == (
            len(results.epochs),
            results.objective.metric,
            results.best.value,
        )
        assert row.started == START


def test_the_newest_study_is_last(tmp_path: Path) -> None:
    """Studies in an overview are in the order of their starts, after those that never started."""
    for name, started in (("b", 0.0), ("a", 60.0)):
        Recording(tmp_path, tune_job(name)).end(1.0, started=started)
    Recording(tmp_path, tune_job("waits"))

    rows = overview(Store(tmp_path))
    assert [(row.name, row.state, row.best) for row in rows] == [
        ("waits", "waiting", None),
        ("b", "finished", None),
        ("a", "finished", None),
    ]


def test_an_entry_that_leads_out_is_unreadable(tmp_path: Path) -> None:
    """A study.json that links to another study's is one unreadable row with the reason, next to the other rows."""
    Recording(tmp_path, tune_job("good")).end(1.0)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "study.json").symlink_to("../good/study.json")

    rows = {row.name: row for row in overview(Store(tmp_path))}
    assert {name: row.state for name, row in rows.items()} == {"good": "finished", "x": "unreadable"}
    assert "leads out of the storage" in str(rows["x"].fault)


def test_a_silent_driver_counts_as_interrupted(tmp_path: Path) -> None:
    """A study whose driver has no recent heartbeat counts as interrupted, as in the results."""
    Recording(tmp_path, tune_job("gone")).end(1.0, state="running")

    assert [row.state for row in overview(Store(tmp_path), now=START + timedelta(seconds=30))] == ["running"]
    assert [row.state for row in overview(Store(tmp_path), now=START + timedelta(hours=1))] == ["interrupted"]


def test_one_study_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    """An unreadable study is listed with its error next to the others."""
    asha_study(tmp_path)
    Store(tmp_path).write("broken/study.json", "{")

    rows = {row.name: row for row in overview(Store(tmp_path))}
    assert rows["mnist-asha"].state == "finished"
    assert rows["broken"].state == "unreadable"
    assert "study.json" in rows["broken"].fault


def test_a_cut_off_table_of_trials_is_derived_again(tmp_path: Path) -> None:
    """A study whose trials.parquet is damaged is listed from its parts, as its results are read."""
    study = asha_study(tmp_path)
    study.store.write(layout.TRIALS, b"PAR1")

    (row,) = overview(Store(tmp_path))
    assert (row.state, row.fault) == ("finished", None)
    assert row.trials == len(load_results(row.location).trials)


def test_a_storage_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the table of trials cannot be reached, its parts are not asked for, and the fault is shown."""
    Recording(tmp_path, tune_job("one"))

    def away(*_: object) -> None:
        raise StorageUnreachable("It does not answer.")

    monkeypatch.setattr(Store, "read_table", away)
    monkeypatch.setattr(module, "read_tables", lambda *_: pytest.fail("the parts are read"))
    (row,) = overview(Store(tmp_path))
    assert (row.state, row.fault) == ("unreadable", "It does not answer.")


def test_failed_trials_are_not_best(tmp_path: Path) -> None:
    """The best value in a study's overview is that of a trial that did not fail."""
    study = Recording(tmp_path, tune_job("one"))
    for trial, value in (("0000", 0.9), ("0001", 0.5)):
        study.train(trial, 1, {"lr": 0.1}, value, 1.0)
    study.decide("0000", 1, "fail", 2.0, "ValueError: no")
    study.end(3.0)

    assert [row.best for row in overview(Store(tmp_path))] == [0.5]


def test_trials_beyond_a_bound_are_not_best(tmp_path: Path) -> None:
    """The best value in a study's overview is that of a trial within the objectives' bounds, if there is one."""
    for limit, best in ((1000, 0.9), (1, 0.5)):
        recorded(tmp_path / str(limit), Objective("parameters", "min", at_most=limit))
        assert [row.best for row in overview(Store(tmp_path / str(limit)))] == [best]


def test_studies_are_read_in_parallel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several studies are read at the same time, because an object store takes long for each request."""
    both = Barrier(2, timeout=60)
    read_study = module.read_study
    monkeypatch.setattr(module, "read_study", lambda store: (both.wait(), read_study(store))[1])
    for name in ("a", "b"):
        Recording(tmp_path, tune_job(name)).end(1.0)
    assert [row.name for row in overview(Store(tmp_path))] == ["a", "b"]
