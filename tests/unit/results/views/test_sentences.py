"""What an analysis found, in sentences."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis import Explanation
from pipeline.results.analysis.early_stopping import Agreement, PossiblyWrongStop, Stopping
from pipeline.results.analysis.effort import effort
from pipeline.results.analysis.shares import Importance
from pipeline.results.views.sentences import (
    of_agreements,
    of_importance,
    of_lineage,
    of_prediction,
    of_predictions,
    of_stopping,
    of_time,
)


def _agreement(epoch: int, low: float, correlation: float) -> Agreement:
    return Agreement(epoch, 8, correlation, low, 1.0, 1, 8)


FEW = "Too few trials are fully trained to measure how well early values predict final ones: 5 are needed."
UNSURE = "Before the last epoch, the rank correlation is never reliably 0.5 or more, among 8 fully trained trials."
SURE = (
    "From epoch 2 on, the rank correlation is reliably 0.5 or more (+0.90 at that epoch), among 8 fully trained trials."
)

LAPSED = (
    "The rank correlation is reliably 0.5 or more at epoch 2, but not at each later one, among 8 fully trained trials."
)


@pytest.mark.parametrize(
    ("early", "grace", "reported"),
    [
        ([], 1, FEW),
        ([(1, -0.2, 0.3)], None, UNSURE),
        ([(1, -0.2, 0.3)], 4, f"{UNSURE} This does not justify a grace period shorter than 4."),
        ([(1, -0.2, 0.3), (2, 0.6, 0.9)], None, SURE),
        ([(1, -0.2, 0.3), (2, 0.6, 0.9)], 1, SURE),
        ([(1, -0.2, 0.3), (2, 0.6, 0.9)], 2, SURE),
        ([(1, -0.2, 0.3), (2, 0.6, 0.9)], 4, f"{SURE} A grace period of 2 instead of 4 might have been enough."),
        ([(1, 0.6, 0.8), (2, -0.2, 0.3), (4, 0.6, 0.9)], 4, SURE.replace("epoch 2", "epoch 4")),
        (
            [(1, -0.2, 0.3), (2, 0.6, 0.9), (4, 0.4, 0.7)],
            2,
            f"{LAPSED} This does not justify a grace period shorter than 2.",
        ),
    ],
)
def test_early_values_are_judged_by_their_interval(
    early: list[tuple[int, float, float]], grace: int | None, reported: str
) -> None:
    """The grace period is compared with the first epoch from which on all agreements have a sufficient interval."""
    assert of_agreements([_agreement(*one) for one in early], grace, epochs=8) == reported


def test_trials_of_one_epoch_have_no_early_values() -> None:
    """Where a trial has only one epoch, more trials would not help, and the sentence says so."""
    assert of_agreements([], None, epochs=1) == "A trial has one epoch, so there are no early values."


STOPPING = Stopping(
    stopped=3, saved_epochs=24, whole_epochs=1200, saved_seconds=90.0, trained=6, doubts=[], bound=0.39, note=""
)
SAVED = "3 trials were stopped; that saved 24 epochs of 1,200, about 1 min 30 s of training on one worker."


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"stopped": 0}, "No trial was stopped by comparison with others."),
        (
            {},
            f"{SAVED} None would have become the best by improving as much as any of the 6 fully trained trials did. "
            "With 95% confidence, the probability that a stopped trial would have improved more is at most 39% for "
            "each.",
        ),
        ({"note": "few"}, f"{SAVED} It is unknown whether any was stopped wrongly: few."),
        (
            {"saved_seconds": math.nan, "note": "few"},
            "3 trials were stopped; that saved 24 epochs of 1,200. The time that this saved was not measured. "
            "It is unknown whether any was stopped wrongly: few.",
        ),
        (
            {"doubts": [PossiblyWrongStop(f"000{number}", 2, 0.5, 0.1, 4, 6) for number in range(7)]},
            f"{SAVED} Some stopped trials would have become the best by improving as much as one of the 6 fully "
            "trained trials did: "
            + ", ".join(f"000{number} after epoch 2 (4 of 6 improved as much)" for number in range(5))
            + " and 2 more.",
        ),
    ],
)
def test_early_stopping_is_described_by_what_it_saved_and_risked(changes: dict[str, Any], reported: str) -> None:
    """Early stopping is described by what it saved and risked, with unknown values and the first five doubts."""
    assert of_stopping(replace(STOPPING, **changes)) == reported


def test_without_a_result_the_reason_is_the_sentence() -> None:
    """The sentence of an analysis without a result is the reason, with a capital letter."""
    nothing = Importance(
        when=(), trials=8, used=8, clipped=0, r_squared=math.nan, r_squared_low=math.nan, r_squared_high=math.nan,
        effects=(), pairs=(), note="too few trials with a value: 8",
    )  # fmt: skip
    assert of_importance(nothing) == "Too few trials with a value: 8."


def test_the_lineage_of_the_weights_is_described(population: Results, asha_results: Results) -> None:
    """The lineage of the weights is described from its first trial and epoch to its last."""
    assert of_lineage(population) == (
        "Trials copied weights 1 time; the best model began in trial 0001 and was copied to trial 0000 at epoch 2."
    )
    best = asha_results.best
    assert best is not None
    alone = f"the best model trained in trial {best.trial_id} from its first epoch on"
    assert of_lineage(asha_results) == f"Trials copied weights 0 times; {alone}."


def test_the_shares_of_time_are_those_of_the_workers(asha_results: Results) -> None:
    """The shares of time are those of the workers, sum to 100, and omit phases without a share."""
    reported = of_time(effort(asha_results))
    assert reported.startswith("2 workers ran for ")
    assert sum(int(word.removesuffix("%")) for word in reported.split() if word.endswith("%")) == 100
    assert reported.endswith("% idle, start-up included.")
    nothing = replace(asha_results, epochs=asha_results.epochs.iloc[:0], sessions=[])
    assert of_time(effort(nothing)) == "No time was recorded."


def test_a_prediction_has_its_best_and_worst_value(predicted: Explanation) -> None:
    """The sentence of a prediction names the best value with its interval, the worst one, and whether both overlap."""
    kind = replace(
        predicted.predictions[1],
        medians=np.array([0.5, 0.7, 0.6]),
        lows=np.array([0.4, 0.65, 0.5]),
        highs=np.array([0.6, 0.8, 0.7]),
    )
    assert of_prediction(kind) == "Best at b: 0.7 (90% interval 0.65 to 0.8); worst at a: 0.5."
    inner = replace(kind, parameter=replace(kind.parameter, when=(("net", "deep"),)), lows=np.array([0.4, 0.6, 0.5]))
    text = "Where net is deep, best at b: 0.7 (90% interval 0.6 to 0.8); worst at a: 0.5."
    assert of_prediction(inner) == f"{text} The intervals of both overlap."
    assert of_prediction(predicted.predictions[0]).startswith("Best near 0.0")
    assert "val_accuracy" in of_predictions(predicted.predictions, "val_accuracy")
    assert of_predictions([], "val_accuracy") == ""
