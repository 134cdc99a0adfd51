"""How a call of `run` ended, as Python and a notebook show it."""

from pathlib import Path

from IPython.lib.pretty import pretty
from pandas.testing import assert_frame_equal

from pipeline.execution.outcome import Outcome
from pipeline.results.notebook import load_results
from pipeline.storage import Store
from tests.unit.results.studies import HOSTILE, asha_study


def test_an_outcome_is_displayed_with_the_best_value_and_the_studys_folder(tmp_path: Path) -> None:
    study = asha_study(tmp_path, trials=6)
    outcome = Outcome(study.store)
    text = pretty(outcome)
    assert text == str(outcome) == repr(outcome)
    first, *lines = text.splitlines()
    assert first.startswith("mnist-asha  finished, ")
    assert "finished before" not in first
    labels = [line[:8].strip() for line in lines]
    assert labels == ["best", "config", "study", "next"]
    assert lines[-2] == f"study   {study.store.uri}"
    assert lines[-1].startswith(f"next    tunepipe results {study.store.uri}  tunepipe explain ")
    assert HOSTILE not in text


def test_an_outcome_has_the_tables_of_its_study(tmp_path: Path) -> None:
    study = asha_study(tmp_path, trials=6)
    outcome = Outcome(study.store)
    results = load_results(outcome.location)
    assert_frame_equal(outcome.trials, results.trials)
    assert_frame_equal(outcome.epochs, results.epochs)
    assert_frame_equal(outcome.decisions, results.decisions)
    assert outcome.best == results.best
    assert outcome.results._repr_html_()


def test_an_outcome_of_a_study_that_is_gone_can_be_displayed(tmp_path: Path) -> None:
    outcome = Outcome(Store(tmp_path / "<b>"))
    assert repr(outcome) == f"Outcome of a study that can no longer be read: {tmp_path}/<b>"
