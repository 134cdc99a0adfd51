"""The private names of other libraries that the adapters use: a new version without one fails here, in words."""

import keras_tuner
import optuna
import pytest
from keras_tuner.src.engine.base_tuner import BaseTuner
from ray.tune import schedulers
from ray.tune.schedulers.pb2 import PB2
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch

from pipeline.adapters.optuna import PRUNERS
from pipeline.adapters.ray_tune import SCHEDULERS

MADE = {"metric": "m", "mode": "max"}
MADE_BY = {
    "PopulationBasedTraining": lambda: schedulers.PopulationBasedTraining(**MADE, hyperparam_mutations={"x": [1, 2]}),
    "PB2": lambda: PB2(**MADE, hyperparam_bounds={"x": [1, 2]}),
    "FIFOScheduler": schedulers.FIFOScheduler,
    "PercentilePruner": lambda: optuna.pruners.PercentilePruner(25.0),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_ray_tune_keeps_each_argument_under_a_known_name(name: str) -> None:
    made = MADE_BY.get(name, lambda: getattr(schedulers, name)(**MADE))()
    for attribute in SCHEDULERS[name][1].values():
        assert hasattr(made, attribute), f"{name} of Ray Tune no longer keeps {attribute}"


@pytest.mark.parametrize("name", PRUNERS)
def test_optuna_keeps_each_argument_under_a_known_name(name: str) -> None:
    made = MADE_BY.get(name, getattr(optuna.pruners, name))()
    for attribute in PRUNERS[name][1].values():
        assert hasattr(made, attribute), f"{name} of Optuna no longer keeps {attribute}"


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (schedulers.ASHAScheduler(**MADE), "_max_t"),
        (vars(schedulers.ASHAScheduler(**MADE))["_brackets"][0], "_rungs"),
        (schedulers.HyperBandScheduler(**MADE), "_max_t_attr"),
        (schedulers.HyperBandScheduler(**MADE), "_time_attr"),
        (MADE_BY["PopulationBasedTraining"](), "_hyperparam_mutations"),
        (MADE_BY["PopulationBasedTraining"](), "_custom_explore_fn"),
        (MADE_BY["PB2"](), "_hyperparam_mutations"),
        (OptunaSearch(**MADE), "_metric"),
        (OptunaSearch(**MADE, points_to_evaluate=[{"x": 1}]), "_points_to_evaluate"),
        (BasicVariantGenerator(points_to_evaluate=[{}]), "_points_to_evaluate"),
        (optuna.pruners.HyperbandPruner(), "_max_resource"),
        (optuna.samplers.GridSampler({"x": [1]}), "_search_space"),
        (optuna.samplers.TPESampler(constraints_func=lambda _: ()), "_constraints_func"),
        (optuna.trial.FixedTrial({}), "_suggest"),
        (optuna.trial.FixedTrial({}), "_params"),
        (BaseTuner, "_populate_initial_space"),
        (keras_tuner.Tuner, "_build_hypermodel"),
        (keras_tuner.HyperParameters(), "_register"),
    ],
)
def test_other_private_names_exist(made: object, name: str) -> None:
    assert hasattr(made, name), f"{made!r} no longer has {name}: see the adapter"
