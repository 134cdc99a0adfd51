"""What every peer searches: the job's own space, network and data."""

import argparse
import json
from typing import Any

from pipeline.datasets import load
from tests.benchmarks.jobs.bench_search import JOB
from tune_jobs.networks import tutorial_network

LR = (JOB.space["lr"].low, JOB.space["lr"].high)
MOMENTUM = (JOB.space["momentum"].low, JOB.space["momentum"].high)
WIDTHS = list(JOB.space["width"].values)
EPOCHS = JOB.budget.epochs
FACTOR = JOB.scheduler.reduction_factor
BATCH = JOB.batch_size


def arrays() -> dict[str, Any]:
    """MNIST as arguments of `fit`, and the batch size."""
    data = load("mnist")
    return {
        "x": data.train.x,
        "y": data.train.y,
        "validation_data": (data.validation.x, data.validation.y),
        "batch_size": BATCH,
        "verbose": 0,
    }


def network(lr: float, momentum: float, width: int) -> Any:
    """The tutorial's network, compiled as Keras has it by default."""
    return tutorial_network({"lr": lr, "momentum": momentum, "width": width})


def trials() -> int:
    """How many trials the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=JOB.budget.trials)
    return parser.parse_known_args()[0].trials


def tell(**result: Any) -> None:
    print("\n" + json.dumps(result), flush=True)
