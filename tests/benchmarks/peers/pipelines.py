"""Epochs of the trainer, and of Keras' fit tuned by hand on the same pipeline, in turns, with the same threads."""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from pipeline.datasets import Dataset, Split
from pipeline.study import TuneJob
from pipeline.training.data import load_data
from pipeline.training.trainer_factory import TrainerFactory
from tests.benchmarks.jobs.bench_pipelines import JOBS
from tests.benchmarks.peers import problem

_STEPS = 32
"""Batches in one call of fit's training function: what makes fit fastest on these pipelines."""

_WARM_UP = 2
"""Epochs at the start of each side that do not count: they trace."""


def fitted(job: TuneJob, data: Dataset, epochs: int) -> list[float]:
    """Seconds of each epoch of one call of fit."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """Takes the time of each epoch, validation and what fit does between two epochs included."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())

        def on_train_end(self, logs: Any = None) -> None:
            ends.append(time.perf_counter())

    ends: list[float] = []
    model = job.model({})
    model.steps_per_execution = _STEPS
    validation = data.validation
    if isinstance(data.train, Split):
        rows = {"x": data.train.x, "y": data.train.y, "batch_size": job.batch_size}
        validation = (validation.x, validation.y)
    else:
        rows = {"x": data.train}
    model.fit(**rows, validation_data=validation, epochs=epochs, callbacks=[Clock()], verbose=0)
    return [after - before for before, after in pairwise(ends)]


def trained(factory: TrainerFactory, epochs: int) -> Iterator[float]:
    """Seconds of each epoch of a trial."""
    learner = factory.learner({}, seed=0)
    for _ in range(epochs):
        started = time.perf_counter()
        learner.run_epoch()
        yield time.perf_counter() - started
    learner.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=JOBS, required=True)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    job, epochs = JOBS[arguments.kind], arguments.epochs + _WARM_UP
    factory = TrainerFactory(job, load_data(job))
    samples: dict[str, list[float]] = {"ours": [], "fit": []}
    for turn in range(arguments.turns):
        data = load_data(job)
        assert data is not None
        sides = {"fit": partial(fitted, job, data, epochs), "ours": lambda: list(trained(factory, epochs))}
        # Who comes second in a process is slower: the sides change places.
        for name in sorted(sides, reverse=turn % 2 == 1):
            samples[name] += sides[name]()[_WARM_UP:]
    problem.tell(**{name: median(seconds) for name, seconds in samples.items()}, samples=samples)


if __name__ == "__main__":
    main()
