"""Six optimisers on MNIST, each with its own hyperparameters, under three losses that fit one-hot targets.

The objective is the accuracy, since values of different losses cannot be compared.
"""

from pipeline.schedulers import ASHA
from pipeline.searchers import TPESearch
from pipeline.space import Choice, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

JOB = TuneJob(
    name="mnist-optimisers",
    description="Six optimisers with their own hyperparameters, and three losses, on MNIST",
    model=tutorial_network,
    data="mnist",
    space={
        "optimiser": Switch(
            {
                "sgd": {
                    "lr": LogUniform(1e-3, 1.0),
                    "momentum": Uniform(0.0, 0.95),
                    "nesterov": Choice((False, True)),
                },
                "rmsprop": {"lr": LogUniform(1e-4, 1e-2), "rho": Uniform(0.8, 0.99)},
                "adagrad": {"lr": LogUniform(1e-3, 1.0)},
                "adam": {
                    "lr": LogUniform(1e-4, 1e-2),
                    "beta_1": Uniform(0.8, 0.95),
                    "beta_2": Uniform(0.9, 0.999),
                },
                "adamw": {"lr": LogUniform(1e-4, 1e-2), "weight_decay": LogUniform(1e-5, 1e-1)},
                "nadam": {"lr": LogUniform(1e-4, 1e-2)},
            }
        ),
        "loss": Choice(("categorical_crossentropy", "binary_crossentropy", "mean_squared_error")),
    },
    start_with=(
        {"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": True, "loss": "categorical_crossentropy"},
        {"optimiser": "rmsprop", "lr": 0.001, "rho": 0.9, "loss": "categorical_crossentropy"},
    ),
    objectives=[Objective("val_accuracy", "max")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    searcher=TPESearch(startup=12),
    budget=Budget(trials=32, epochs=8),
)
