"""What tunepipe reads of Optuna by private names."""

from typing import Any

import optuna
import pytest

from pipeline.adapters.optuna.internals import (
    constraints_of,
    factor_of,
    fixed_of,
    grid_of,
    max_resource_of,
    max_trials_of,
    number_in_storage,
    stoppable,
    warmup_of,
    wrapped_of,
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", [optuna.samplers.TPESampler, optuna.samplers.NSGAIISampler])
def test_the_constraints_of_a_sampler_are_read(kind: Any) -> None:
    """The function for constraints of a sampler is read, and a sampler without one has None."""
    function = lambda trial: (trial.number,)  # noqa: E731
    assert constraints_of(kind(constraints_func=function)) is function, "Optuna no longer keeps it in _constraints_func"
    assert constraints_of(kind()) is None
    assert constraints_of(None) is None


def test_the_epochs_that_a_pruner_leaves_every_trial_are_read() -> None:
    """The first epochs that a pruner does not judge are read, and one without them has None."""
    message = "Optuna no longer keeps them in _n_warmup_steps and _min_resource"
    assert warmup_of(optuna.pruners.MedianPruner(n_warmup_steps=3)) == 3, message
    assert warmup_of(optuna.pruners.SuccessiveHalvingPruner(min_resource=2)) == 2, message
    assert warmup_of(optuna.pruners.SuccessiveHalvingPruner()) is None
    assert warmup_of(None) is None


def test_the_rungs_of_a_pruner_are_read() -> None:
    """The reduction factor and the longest trial of a pruner are read, and one without them has None."""
    hyperband = optuna.pruners.HyperbandPruner(max_resource=9, reduction_factor=2)
    message = "Optuna no longer keeps them in _reduction_factor and _max_resource"
    assert (factor_of(hyperband), max_resource_of(hyperband)) == (2, 9), message
    assert factor_of(optuna.pruners.SuccessiveHalvingPruner(reduction_factor=3)) == 3, message
    assert max_resource_of(optuna.pruners.HyperbandPruner()) is None
    assert factor_of(optuna.pruners.MedianPruner()) is factor_of(None) is max_resource_of(None) is None


def test_the_number_of_a_trial_in_its_storage_is_read() -> None:
    """The storage finds a trial by its number there."""
    trial = optuna.create_study().ask()
    found = trial.storage.get_trial(number_in_storage(trial))
    assert found.number == trial.number, "Optuna no longer keeps the number of a trial in _trial_id"


def test_the_pruner_within_another_one_is_read() -> None:
    """The pruner that a PatientPruner asks is read, and another one stays itself."""
    median = optuna.pruners.MedianPruner()
    assert wrapped_of(optuna.pruners.PatientPruner(median, patience=2)) is median, (
        "Optuna no longer keeps it in _wrapped_pruner"
    )
    assert wrapped_of(median) is median
    assert wrapped_of(None) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_values_of_samplers_are_read() -> None:
    """The values that a GridSampler lists and a PartialFixedSampler fixes are read; others list and fix nothing."""
    grid, random = optuna.samplers.GridSampler({"x": [1, 2]}), optuna.samplers.RandomSampler()
    assert grid_of(grid) == {"x": [1, 2]}, "Optuna no longer keeps them in _search_space"
    partial = optuna.samplers.PartialFixedSampler({"y": 3}, random)
    assert fixed_of(partial) == ({"y": 3}, random), "Optuna no longer keeps them in _fixed_params and _base_sampler"
    assert (grid_of(random), fixed_of(random)) == ({}, ({}, random))
    assert (grid_of(None), fixed_of(None)) == ({}, ({}, None))


def test_the_trials_of_a_callback_are_read() -> None:
    """The number of trials that a MaxTrialsCallback allows is read, and other callbacks have none."""
    message = "Optuna no longer keeps it in _n_trials"
    assert max_trials_of(optuna.study.MaxTrialsCallback(7)) == 7, message
    assert max_trials_of(print) is None


def test_a_study_outside_of_optimize_may_be_stopped() -> None:
    """The stop of a study does not raise an error where a program calls it outside of Optuna's optimize."""
    stoppable(optuna.create_study()).stop()
