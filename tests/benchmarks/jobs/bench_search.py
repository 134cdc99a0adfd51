"""A search: 64 trials of the tutorial's network, ASHA from 1 to 4 epochs, factor 2."""

from pipeline.schedulers import ASHA
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

JOB = TuneJob(
    name="bench-search",
    model=tutorial_network,
    data="mnist",
    space={"lr": LogUniform(0.01, 0.5), "momentum": Uniform(0.0, 0.9), "width": Choice((32, 64, 128))},
    objectives=[Objective("val_accuracy", "max")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    budget=Budget(trials=64, epochs=4),
    batch_size=128,
)
