"""The private names of other libraries that the adapters use: a new version without one fails here, in words."""

import keras_tuner
import optuna
import pytest
from keras_tuner.src.engine.base_tuner import BaseTuner
from ray.tune import schedulers, stopper
from ray.tune.schedulers.pb2 import PB2
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch

from pipeline.adapters.ray_tune import FACTS

MADE = {"metric": "m", "mode": "max"}


def _made(fact: str) -> object:
    if fact in ("mutations", "quantile", "resample", "factors", "burn_in", "explore", "interval", "synch"):
        return schedulers.PopulationBasedTraining(**MADE, hyperparam_mutations={"x": [1, 2]})
    if fact in ("reports", "seconds", "stoppers"):
        kinds = {"reports": stopper.MaximumIterationStopper(3), "seconds": stopper.TimeoutStopper(3)}
        return kinds.get(fact) or stopper.CombinedStopper(stopper.NoopStopper())
    if fact in ("space", "points"):
        return OptunaSearch(**MADE, points_to_evaluate=[{"x": 1}])
    kinds = {
        "grace": schedulers.MedianStoppingRule(**MADE),
        "samples": schedulers.MedianStoppingRule(**MADE),
        "factor": schedulers.HyperBandScheduler(**MADE),
    }
    asha = schedulers.ASHAScheduler(**MADE)
    return getattr(asha, FACTS["brackets"][0])[0] if fact == "rungs" else kinds.get(fact, asha)


@pytest.mark.parametrize("fact", FACTS)
def test_ray_tune_keeps_each_argument_under_a_known_name(fact: str) -> None:
    assert any(hasattr(_made(fact), name) for name in FACTS[fact]), f"Ray Tune no longer keeps {fact}: see FACTS"
    assert hasattr(PB2(**MADE, hyperparam_bounds={"x": [1, 2]}), FACTS["mutations"][0])
    assert hasattr(BasicVariantGenerator(points_to_evaluate=[{}]), FACTS["points"][0])


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (optuna.pruners.MedianPruner(), "_n_warmup_steps"),
        (optuna.pruners.MedianPruner(), "_n_startup_trials"),
        (optuna.pruners.PercentilePruner(25.0), "_percentile"),
        (optuna.pruners.PercentilePruner(25.0), "_interval_steps"),
        (optuna.pruners.SuccessiveHalvingPruner(), "_min_resource"),
        (optuna.pruners.SuccessiveHalvingPruner(), "_reduction_factor"),
        (optuna.pruners.SuccessiveHalvingPruner(), "_min_early_stopping_rate"),
        (optuna.pruners.SuccessiveHalvingPruner(), "_bootstrap_count"),
        (optuna.pruners.HyperbandPruner(), "_max_resource"),
        (optuna.pruners.PatientPruner(None, 1), "_wrapped_pruner"),
        (optuna.samplers.GridSampler({"x": [1]}), "_search_space"),
        (optuna.samplers.TPESampler(constraints_func=lambda _: ()), "_constraints_func"),
        (optuna.study.MaxTrialsCallback(1), "_n_trials"),
        (optuna.trial.FixedTrial({}), "_suggest"),
        (optuna.trial.FixedTrial({}), "_params"),
        (BaseTuner, "_populate_initial_space"),
        (keras_tuner.Tuner, "_build_hypermodel"),
        (keras_tuner.HyperParameters(), "_register"),
    ],
)
def test_optuna_and_kerastuner_keep_each_name(made: object, name: str) -> None:
    assert hasattr(made, name), f"{made!r} no longer has {name}: see the adapter"
