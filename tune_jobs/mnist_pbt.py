"""A population of the tutorial's network on the full MNIST: the weakest take over the best ones' weights."""

from pipeline.schedulers import PBT
from pipeline.space import LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

JOB = TuneJob(
    name="mnist-pbt",
    description="The tutorial's network on MNIST, a population of 8 that finds schedules over 16 epochs",
    model=tutorial_network,
    data="mnist",
    # No width here: only a network of the same shape can copy weights.
    space={
        "lr": LogUniform(0.005, 0.5),
        "momentum": Uniform(0.0, 0.95),
        "dropout": Uniform(0.0, 0.3),
    },
    objectives=[Objective("val_accuracy", "max")],
    scheduler=PBT(interval=2),
    budget=Budget(trials=8, epochs=16),
)
