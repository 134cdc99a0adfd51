"""The tutorial's network on the full MNIST: sixteen configs, the weaker half stopped at each rung."""

from pipeline.schedulers import ASHA
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

JOB = TuneJob(
    name="mnist-asha",
    description="The tutorial's network on MNIST, 16 trials, ASHA from 1 to 8 epochs",
    model=tutorial_network,
    data="mnist",
    space={
        "lr": LogUniform(0.01, 0.5),
        "momentum": Uniform(0.0, 0.95),
        "width": Choice((32, 64, 128)),
        "dropout": Uniform(0.0, 0.3),
        "batch_size": Choice((64, 128, 256)),
    },
    objectives=[Objective("val_accuracy", "max")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    budget=Budget(trials=16, epochs=8),
)
