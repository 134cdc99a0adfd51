"""What is written below each picture."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import scored
from pipeline.results.report import captions, parameter_captions
from pipeline.study import Objective
from tests.unit.results.extreme_studies import EDGES
from tests.unit.results.studies import Recording, tune_job, with_tables


def test_the_caption_counts_the_crosses_that_are_drawn(tmp_path: Path) -> None:
    """The caption counts failed trials that are drawn as crosses apart from those that failed without a value."""
    results = load_results(EDGES["all_failed"](tmp_path / "some").store.uri)
    assert captions.of_learning_curves(results).endswith(
        "; crosses mark 1 failed trial; 2 trials failed without a value."
    )
    empty = with_tables(results, epochs=results.epochs.iloc[:0])
    assert captions.of_learning_curves(empty).endswith("; 3 trials failed without a value.")


def test_the_caption_names_values_that_are_not_clearly_worse(folded: Results) -> None:
    """The caption names the values whose deviations overlap with the best one's, and does not mention zero."""
    printed = captions.of_deviations(folded)
    assert printed.startswith("he is best with 0.92 ± 0.016; within a deviation of both: lecun and glorot.")


def test_the_caption_has_the_cost_of_the_best(batches: Results) -> None:
    """The caption has the best trial's cost and the range of all trials."""
    assert captions.of_cost(batches, "updates") == (
        "The best value took 200 updates of the weights; trials took between 20 and 200."
    )
    quick = with_tables(batches, epochs=batches.epochs.assign(seconds_train=batches.epochs["seconds_train"] / 100))
    assert captions.of_cost(quick, "seconds") == (
        "The best value took 0.2 seconds of training; trials took between 0.02 and 0.2."
    )


def test_learning_curves_are_described_by_the_best_and_the_median(asha_results: Results) -> None:
    """The caption of learning curves has the best, the median and the training split."""
    best = asha_results.best
    assert best is not None
    reported = captions.of_learning_curves(asha_results)
    assert reported.startswith(
        f"Trial {best.trial_id} reaches val_accuracy {best.value:.4g} at epoch {best.epoch}, with "
    )
    assert "on the training split; the median of 22 trials is " in reported


def test_captions_count_the_lines_that_are_left_out(
    asha_results: Results, pbt_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If not all lines are drawn, captions have the number of all: trials with a value, or parts of trials."""
    monkeypatch.setattr(captions, "MAX_LINES", 5)
    known = np.isfinite(asha_results.epochs["val_accuracy"])
    trials = asha_results.epochs.loc[known, "trial_id"].nunique()
    assert trials < len(asha_results.trials)
    assert captions.of_learning_curves(asha_results).endswith(f" 5 evenly spaced trials of {trials} are shown.")
    usable = len(scored(asha_results))
    caption = parameter_captions.of_parallel_coordinates(asha_results)
    assert caption.endswith(f" 5 evenly spaced trials of {usable} are shown.")
    segments = len(pbt_results.epochs[["trial_id", "segment"]].drop_duplicates())
    assert captions.of_learning_rates(pbt_results).endswith(f" 5 evenly spaced lines of {segments} are shown.")
    monkeypatch.setattr(captions, "MAX_LINES", trials)
    assert "evenly spaced" not in captions.of_learning_curves(asha_results)


def test_a_learning_rate_is_described_with_its_change(pbt_results: Results, asha_results: Results) -> None:
    """The caption has the range of all learning rates, and the best trial's first and last rate."""
    assert re.fullmatch(
        r"Learning rates lie between [\d.e-]+ and [\d.e-]+; that of the best trial, \d{4}, goes from \S+ to \S+\.",
        captions.of_learning_rates(asha_results),
    )
    constant = with_tables(asha_results, epochs=asha_results.epochs.assign(learning_rate=0.5))
    assert captions.of_learning_rates(constant) == "The learning rate is 0.5 throughout."


def test_the_caption_has_the_time_of_the_best(asha_results: Results) -> None:
    """The caption has the time of the best value, the total, and when most of the improvement was reached."""
    assert re.fullmatch(
        r"val_accuracy 0\.9666 was reached after .* of .*; 95% of the improvement over .* was reached after .*\.",
        captions.of_best_so_far(asha_results),
    )


@pytest.mark.parametrize(
    ("limit", "caption", "front"),
    [
        (
            0.8,
            "val_accuracy 0.7 was reached after 3.0 s of 5.0 s; 95% of the improvement over the first epoch's 0.5 was "
            "reached after 3.0 s.",
            "1 of 2 trials is on the front: val_accuracy 0.7 with accuracy 0.69.",
        ),
        (
            0.1,
            "val_accuracy 0.5 is beyond a bound, as all values are.",
            "No trial with a value of every objective is within the bounds.",
        ),
    ],
)
def test_values_beyond_a_bound_are_no_improvement(tmp_path: Path, limit: float, caption: str, front: str) -> None:
    """An epoch beyond a bound is not an improvement and on no front, and if all are beyond it, the captions say so."""
    objectives = (Objective("val_accuracy", "max"), Objective("accuracy", "max", at_most=limit))
    recording = Recording(tmp_path, tune_job("bounded", space={}, objectives=objectives))
    for trial, epoch, value, at in (("0000", 1, 0.5, 1), ("0000", 2, 0.95, 2), ("0001", 1, 0.7, 3)):
        recording.train(trial, epoch, {}, value, at)
    recording.end(5)
    results = load_results(recording.store.uri)
    assert captions.of_best_so_far(results) == caption
    assert captions.of_trade_off(results, "accuracy") == front


def test_stops_are_counted_by_rung(asha_results: Results) -> None:
    """The caption counts stops by rung, and the trials that trained to their end."""
    reported = captions.of_rungs(asha_results)
    stopped, whole = (
        r"Trials stopped: \d+ of \d+ at epoch 1 and \d+ of \d+ at epoch 3",
        r"4 trials trained all 9 epochs",
    )
    assert re.fullmatch(rf"{stopped}; {whole}\.", reported)


def test_a_path_is_described(walked: Results) -> None:
    """The caption has the start and the end of the best trial's path."""
    assert captions.of_trajectories(walked) == (
        "The best trial is at (0.4, -0.4) after its first epoch and at (1.2, -1.2) after 3 epochs."
    )
