"""Curves that a study has recorded."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, UsageError
from pipeline.results.load import load_results
from pipeline.simulation.play import play
from pipeline.simulation.recorded import Recorded
from pipeline.space import draw
from pipeline.study import Objective, TuneJob
from tests.unit.results.studies import SPACE, Recording, asha_study, pbt_study, tune_job


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """24 trials, most of them stopped early, one with a failure and one with a NaN."""
    return asha_study(tmp_path_factory.mktemp("recorded"))


def _recorded(study: Recording, **changes) -> Recorded:
    given = {"seconds_per_epoch": None, "seconds_per_start": None}
    options = {name: changes.pop(name) for name in list(changes) if name in given}
    return Recorded(load_results(study.store.uri), study.job.replaced(changes), **{**given, **options})


def _drawn(index: int, seed: int = 3, epochs: int = 9):
    """The configs that the study was recorded with come from one generator, in the order of the trials."""
    rng = np.random.default_rng(seed)
    for number in range(index + 1):
        config = draw(SPACE, rng, number)
        if number != index:
            rng.normal(0, 1, epochs)
    return config


def test_a_recorded_config_learns_as_it_did(study: Recording):
    """Value by value and second by second, up to where it was stopped; a config beside it does the same."""
    results = load_results(study.store.uri)
    config = _drawn(0)
    rows = results.epochs[results.epochs["trial_id"] == "0000"]
    curve = _recorded(study).curve(0, 1, config)
    assert curve.known == len(rows)
    assert curve.values[: curve.known] == rows["val_accuracy"].tolist()
    taken = rows[["seconds_train", "seconds_evaluate", "seconds_checkpoint"]].sum(axis=1)
    assert curve.seconds[: curve.known] == pytest.approx(taken.tolist())
    assert curve.start == 0.6
    near = {**config, "lr": config["lr"] * 1.001}
    assert _recorded(study).curve(700, 1, near) == curve


def test_what_was_not_recorded_is_extended_and_counted(study: Recording):
    """A curve is as long as a trial may train; beyond its end it gains as others did, and never beats the best."""
    results, curves = load_results(study.store.uri), _recorded(study)
    best = results.best.value
    stopped = results.trials[(results.trials["state"] == "stopped") & (results.trials["epochs"] == 1)]
    assert len(stopped)
    for index in stopped["trial_id"].astype(int):
        curve = curves.curve(index, 1, _drawn(index))
        assert (curve.known, len(curve.values)) == (1, 9)
        assert curve.values[1] > curve.values[0]
        assert max(curve.values) <= best
        assert curve.seconds[1:] == [curve.seconds[0]] * 8


def test_who_failed_fails_again(study: Recording):
    """Before its first epoch, or where the objective was not finite."""
    curves = _recorded(study)
    at_once, nan = curves.curve(4, 1, _drawn(4)), curves.curve(9, 1, _drawn(9))
    assert (list(at_once.values), len(nan.values)) == ([], 1)
    assert "ValueError" in (at_once.failure or "") or "Traceback" in (at_once.failure or "")
    assert "NaN" in (nan.failure or "")


def test_seconds_may_be_said_instead(study: Recording):
    """Those of an epoch and of a start, for another machine."""
    curve = _recorded(study, seconds_per_epoch=20.0, seconds_per_start=3.0).curve(0, 1, _drawn(0))
    assert set(curve.seconds) == {20.0}
    assert curve.start == 3.0


def test_a_study_is_played_over_its_curves(study: Recording):
    """Any scheduler ends it, and its best is not above the recorded one."""
    for kind in ("fifo", "promoting-asha", "median"):
        job = study.job.replaced({"scheduler": kind})
        done = play(job, _recorded(study, scheduler=kind), 3)
        assert len(done.trials) == 24
        assert done.best is not None
        assert done.best <= load_results(study.store.uri).best.value
        assert done.extended > 0


def test_of_a_population_only_the_first_segment_is_used(tmp_path: Path):
    """What a trial learned with others' weights says nothing of its own config."""
    study = pbt_study(tmp_path)
    results = load_results(study.store.uri)
    curves = _recorded(study, scheduler="fifo")
    rng = np.random.default_rng(5)
    for index in range(8):
        config = draw(study.job.space, rng, index)
        mine = results.epochs[(results.epochs["trial_id"] == f"{index:04d}") & (results.epochs["segment"] == 1)]
        assert curves.curve(index, 1, config).known == len(mine)


def test_what_cannot_be_replayed_is_told(study: Recording):
    """A scheduler that hands weights over, another objective, another space: each with what to do instead."""
    with pytest.raises(UsageError, match=r"pbt has it\. Simulate it with --curves synthetic"):
        _recorded(study, scheduler="pbt")
    with pytest.raises(DataError, match=r"no values of 'val_f1'.*its own is 'val_accuracy'"):
        Recorded(
            load_results(study.store.uri),
            TuneJob(**{**dict(study.job), "objectives": [Objective("val_f1", "max")]}),
            seconds_per_epoch=None,
            seconds_per_start=None,
        )
    with pytest.raises(DataError, match=r"None of the 24 trials.*space of job 'other'"):
        Recorded(
            load_results(study.store.uri),
            tune_job("other", space={"depth": SPACE["units"]}),
            seconds_per_epoch=None,
            seconds_per_start=None,
        )


def test_it_says_where_curves_come_from(study: Recording):
    """How many trials are used, and how many of them are as long as a trial may train."""
    told = _recorded(study).described()
    whole = int((load_results(study.store.uri).trials["epochs"] == 9).sum())
    assert (told["source"], told["recorded_trials"], told["whole_trials"]) == ("mnist-asha", 24, whole)
    assert f"24 recorded trials of 'mnist-asha', {whole} of them as long" in told["note"]
