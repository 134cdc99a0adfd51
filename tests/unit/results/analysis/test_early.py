"""Early values and early stops: on curves for which the answer is known."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.early import agreements, stopping
from pipeline.study import layout
from tests.unit.results.studies import Recording, tune_job


def _study(root: Path, curves: Sequence[Sequence[float]], *, epochs: int) -> Results:
    """Trials with these values; shorter ones were stopped by comparison at their last epoch."""
    study = Recording(root, tune_job("curves", scheduler="asha", budget={"epochs": epochs, "trials": 99}))
    for index, curve in enumerate(curves):
        trial = layout.trial_id(index)
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        for epoch, value in enumerate(curve, start=1):
            study.train(trial, epoch, {"lr": 0.1}, value, float(epoch))
        if len(curve) == epochs:
            study.decide(trial, epochs, "finish", 9.0)
        else:
            study.decide(trial, len(curve), "stop", 9.0, rung=len(curve), cutoff=1.0, value=curve[-1])
    study.end(9.0)
    return load_results(study.store.uri)


RISING = [[0.1 * n, 0.1 * n + 0.05, 0.1 * n + 0.1, 0.1 * n + 0.2] for n in range(6)]


def test_curves_that_never_cross_agree_from_the_first_epoch(tmp_path: Path) -> None:
    """The rank correlation is 1, its interval too, and the best was first."""
    first, *_ = agreements(_study(tmp_path, RISING, epochs=4))
    assert (first.epoch, first.trials, first.place, first.among) == (1, 6, 1, 6)
    assert (first.low, first.correlation, first.high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


def test_curves_that_cross_disagree(tmp_path: Path) -> None:
    """Where the last at first is best at the end the correlation is −1, and the best was last."""
    crossing = [[0.5 - 0.1 * n, 0.5, 0.5, 0.6 + 0.05 * n] for n in range(6)]
    first, *_ = agreements(_study(tmp_path, crossing, epochs=4))
    assert first.correlation == pytest.approx(-1)
    assert first.place == 6


def test_too_few_full_trials_say_nothing(tmp_path: Path) -> None:
    """Four that trained to their end have no correlation, and stops cannot be judged by them."""
    results = _study(tmp_path, [*RISING[:4], [0.05]], epochs=4)
    assert agreements(results) == []
    told = stopping(results)
    assert (told.stopped, told.saved_epochs, told.whole_epochs) == (1, 3, 20)
    assert told.note == "too few trials trained to their end to compare with: 4, not 5"


def test_a_stop_is_in_doubt_where_survivors_gained_enough(tmp_path: Path) -> None:
    """The best is 0.7; from epoch 1 on all gain 0.2. Stopped at 0.55 is in doubt, at 0.45 it is not."""
    told = stopping(_study(tmp_path, [*RISING, [0.55], [0.45]], epochs=4))
    assert [(doubt.trial_id, doubt.gained, doubt.trained) for doubt in told.doubts] == [("0006", 6, 6)]
    assert told.doubts[0].missing == pytest.approx(0.15)
    assert told.saved_epochs == 6
    # A recorded first epoch takes 0.6 s to build, 0.29 s to train and 0.05 s to evaluate.
    assert told.saved_seconds == pytest.approx(2 * 3 * 0.94)


def test_the_bound_grows_tighter_with_trials_to_compare_with(tmp_path: Path) -> None:
    """Of six none gained as much: by the rule of exact binomial bounds at most 39 % do."""
    told = stopping(_study(tmp_path, [*RISING, [0.05]], epochs=4))
    assert told.doubts == []
    assert told.bound == pytest.approx(1 - 0.05 ** (1 / 6))
