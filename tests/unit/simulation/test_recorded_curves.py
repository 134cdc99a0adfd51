"""Curves that a study has recorded."""

import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError, UsageError
from pipeline.results.analysis.epoch_timing import epoch_seconds
from pipeline.results.tables.load import load_results
from pipeline.simulation.recorded_curves import RecordedCurves
from pipeline.simulation.simulator import simulate
from pipeline.space import draw
from pipeline.study import Objective, TuneJob
from tests.unit.results.studies import SPACE, Recording, asha_study, pbt_study, tune_job


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """24 trials, most of them stopped early, one with a failure and one with a NaN."""
    return asha_study(tmp_path_factory.mktemp("recorded"))


def _recorded(study: Recording, **changes) -> RecordedCurves:
    given = {"seconds_per_epoch": None, "seconds_per_start": None}
    options = {name: changes.pop(name) for name in list(changes) if name in given}
    return RecordedCurves(load_results(study.store.uri), study.job.replaced(changes), **{**given, **options})


def _drawn(index: int, seed: int = 3, epochs: int = 9):
    """The configs that the study was recorded with come from one generator, in the order of the trials."""
    rng = np.random.default_rng(seed)
    for number in range(index + 1):
        config = draw(SPACE, rng, number)
        if number != index:
            rng.normal(0, 1, epochs)
    return config


def test_a_recorded_config_learns_as_it_did(study: Recording):
    """A recorded config, and one close to it, has the recorded values and seconds up to where it was stopped."""
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


def test_short_curves_are_extended_and_counted(study: Recording):
    """A curve is extended to the epochs that a trial may train, gains as other curves did and never beats the best."""
    results, curves = load_results(study.store.uri), _recorded(study)
    best = results.best.value
    stopped = results.trials[(results.trials["state"] == "stopped") & (results.trials["epochs"] == 1)]
    assert len(stopped)
    for index in stopped["trial_id"].astype(int):
        curve = curves.curve(index, 1, _drawn(index))
        assert (curve.known, len(curve.values)) == (1, 9)
        assert curve.values[1] > curve.values[0]
        assert max(curve.values) <= best
        # Its one epoch was a first one: the others take what those of other trials take once they run.
        assert len(set(curve.seconds[1:])) == 1
        assert curve.seconds[1] == pytest.approx(
            epoch_seconds(results.epochs, results.trials["trial_id"]).median(), abs=0.03
        )


def test_trials_that_failed_fail_again(study: Recording):
    """A trial that failed before its first epoch or with an infinite objective fails again in the simulation."""
    curves = _recorded(study)
    at_once, nan = curves.curve(4, 1, _drawn(4)), curves.curve(9, 1, _drawn(9))
    assert (list(at_once.values), len(nan.values)) == ([], 1)
    assert "ValueError" in (at_once.failure or "") or "Traceback" in (at_once.failure or "")
    assert "NaN" in (nan.failure or "")


def test_epochs_without_validation_are_interpolated(tmp_path: Path):
    """A curve has every epoch up to its last value: those without one are interpolated, and the first repeats."""
    job = tune_job("sparse", space={"lr": SPACE["lr"]}, scheduler="fifo", budget={"trials": 2, "epochs": 6})
    study, nan = Recording(tmp_path, job), math.nan
    for trial, values in (("0000", [nan, 0.2, nan, 0.6, nan, 0.7]), ("0001", [nan, 0.4, nan, 0.8, nan, nan])):
        config = {"lr": (0.1, 0.9)[int(trial)]}
        study.decide(trial, 0, "start", 0.0, config_after=config)
        for epoch, value in enumerate(values, 1):
            study.train(trial, epoch, config, value, float(epoch))
    study.decide("0000", 6, "complete", 7.0)
    study.decide("0001", 6, "fail", 7.0, "loss is nan.")
    study.end(8.0)
    curves = _recorded(study)
    whole, diverged = curves.curve(0, 1, {"lr": 0.1}), curves.curve(1, 1, {"lr": 0.9})
    assert (whole.known, whole.failure) == (6, None)
    assert whole.values == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.65, 0.7])
    assert (diverged.known, diverged.failure) == (4, "loss is nan.")
    assert diverged.values == pytest.approx([0.4, 0.4, 0.6, 0.8])
    assert len(diverged.seconds) == 4


def test_seconds_may_be_given_instead(study: Recording):
    """Options replace the recorded seconds of an epoch and of a start, to simulate another machine."""
    curve = _recorded(study, seconds_per_epoch=20.0, seconds_per_start=3.0).curve(0, 1, _drawn(0))
    assert set(curve.seconds) == {20.0}
    assert curve.start == 3.0


def test_a_study_is_simulated_over_its_curves(study: Recording):
    """Any scheduler completes a simulation over a study's curves, and its best is not above the recorded one."""
    for kind in ("fifo", "promoting-asha", "median"):
        job = study.job.replaced({"scheduler": kind})
        done = simulate(job, _recorded(study, scheduler=kind), 3)
        assert len(done.trials) == 24
        assert done.best is not None
        assert done.best <= load_results(study.store.uri).best.value
        assert done.extended > 0


def test_of_a_population_only_the_first_segment_is_used(tmp_path: Path):
    """Of a trial in a population only the first segment is used, because later weights are those of others."""
    study = pbt_study(tmp_path)
    results = load_results(study.store.uri)
    curves = _recorded(study, scheduler="fifo")
    rng = np.random.default_rng(5)
    for index in range(8):
        config = draw(study.job.space, rng, index)
        mine = results.epochs[(results.epochs["trial_id"] == f"{index:04d}") & (results.epochs["segment"] == 1)]
        assert curves.curve(index, 1, config).known == len(mine)


def test_studies_that_cannot_be_replayed_are_refused(study: Recording):
    """A scheduler that exploits, another objective or another space is refused with an alternative."""
    with pytest.raises(UsageError, match=r"pbt needs\. Simulate it with --curves synthetic"):
        _recorded(study, scheduler="pbt")
    with pytest.raises(DataError, match=r"no values of 'val_f1'.*its own is 'val_accuracy'"):
        RecordedCurves(
            load_results(study.store.uri),
            TuneJob(**{**dict(study.job), "objectives": [Objective("val_f1", "max")]}),
            seconds_per_epoch=None,
            seconds_per_start=None,
        )
    with pytest.raises(DataError, match=r"None of the 24 trials.*space of job 'other'"):
        RecordedCurves(
            load_results(study.store.uri),
            tune_job("other", space={"depth": SPACE["units"]}),
            seconds_per_epoch=None,
            seconds_per_start=None,
        )


def test_the_note_has_the_origin_of_the_curves(study: Recording):
    """The note has the number of trials used and how many of them are complete."""
    reported = _recorded(study).description()
    whole = int((load_results(study.store.uri).trials["epochs"] == 9).sum())
    assert (reported["source"], reported["recorded_trials"], reported["whole_trials"]) == ("mnist-asha", 24, whole)
    assert f"24 recorded trials of 'mnist-asha', {whole} of them complete" in reported["note"]


def test_a_study_of_one_trial_is_replayed(tmp_path: Path):
    """A study of one trial has one curve, which each config gets."""
    job = tune_job("single", space={"lr": SPACE["lr"]}, scheduler="fifo", budget={"trials": 1, "epochs": 3})
    study = Recording(tmp_path, job)
    study.decide("0000", 0, "start", 0.0, config_after={"lr": 0.1})
    for epoch, value in enumerate([0.2, 0.4, 0.5], 1):
        study.train("0000", epoch, {"lr": 0.1}, value, float(epoch))
    study.decide("0000", 3, "complete", 4.0)
    study.end(5.0)
    curves = _recorded(study)
    assert [curves.curve(index, 1, {"lr": lr}).values for index, lr in enumerate((0.1, 0.9))] == [[0.2, 0.4, 0.5]] * 2
