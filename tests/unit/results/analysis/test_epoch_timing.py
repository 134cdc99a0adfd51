"""How long an epoch takes once it runs, on rows for which the answer is known."""

import math

import pandas as pd

from pipeline.results.analysis.epoch_timing import epoch_seconds, steady_seconds


def rows(*reported: tuple[str, int, int, float, float]) -> pd.DataFrame:
    """A table `epochs`: trial, attempt, segment, seconds to build, seconds to train; 0.5 s of validation each."""
    names = ["trial_id", "attempt", "segment", "seconds_build", "seconds_train"]
    return pd.DataFrame(reported, columns=names).assign(session=1, seconds_evaluate=0.5)


def test_first_epochs_do_not_count() -> None:
    """The first epoch of a trial, an attempt, a segment or a new model does not count for the duration of an epoch."""
    epochs = rows(
        ("0000", 1, 1, 9.0, 5.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 3.0, 4.0), ("0000", 2, 1, 0.0, 6.0),
        ("0000", 2, 1, 0.0, 2.0), ("0000", 2, 2, 0.0, 7.0), ("0000", 2, 2, 0.0, 3.0),
    )  # fmt: skip
    assert steady_seconds(epochs).tolist() == [1.5, 2.5, 3.5]


def test_a_trial_without_a_steady_epoch_takes_what_others_take() -> None:
    """A trial without a steady epoch takes the median of the others' medians, which one slow epoch does not change."""
    epochs = rows(
        ("0000", 1, 1, 9.0, 90.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 0.0, 500.0),
        ("0001", 1, 1, 9.0, 90.0), ("0001", 1, 1, 0.0, 3.0), ("0002", 1, 1, 9.0, 90.0),
    )  # fmt: skip
    assert epoch_seconds(epochs, pd.Series(["0000", "0001", "0002"])).tolist() == [1.5, 3.5, 2.5]


def test_the_pace_of_first_epochs_is_unknown() -> None:
    """The duration of an epoch is unknown in a study that trained only first epochs."""
    assert math.isnan(epoch_seconds(rows(("0000", 1, 1, 9.0, 90.0)), pd.Series(["0000"]))[0])
