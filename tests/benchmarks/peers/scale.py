"""The driver of one study of light trials: its CPU seconds and its memory, its workers' not included.

`run` drives real workers on Ray; `stand-in` sends the reports of workers that do not exist to the session itself.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import run
from pipeline.execution.driver.recorder import Recorder
from pipeline.execution.driver.session import Session
from pipeline.loop.messages import EpochRow, ProgressReport
from pipeline.schedulers import ASHA, MedianStopping
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob, save_study
from tests.benchmarks.peers import problem


def count(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    epoch = 0
    while True:
        epoch += 1
        yield {"value": config["x"] * epoch}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=["run", "stand-in"])
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every-epoch", action="store_true", help="report every epoch, and stop no trial")
    arguments = parser.parse_args()
    every = MedianStopping(grace_period=arguments.epochs)
    job = TuneJob(
        name="bench-scale", function=count, space={"x": Uniform(0.0, 1.0)}, objectives=[Objective("value", "max")],
        scheduler=every if arguments.every_epoch else ASHA(grace_period=1, reduction_factor=3),
        budget=Budget(trials=arguments.trials, epochs=arguments.epochs),
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        if arguments.how == "run":
            if arguments.every_epoch:
                _start_cluster(arguments.workers)
            run(job.replaced({"resources.workers": arguments.workers}), storage=folder)
            reports = 0
        else:
            reports = _stand_in(job, Path(folder), arguments.workers)
    used = resource.getrusage(resource.RUSAGE_SELF)
    problem.tell(cpu=used.ru_utime + used.ru_stime, megabytes=used.ru_maxrss / 1e3, reports=reports)


def _start_cluster(workers: int) -> None:
    """Start Ray with a core for each worker: a study alone starts no more processes than its machine can feed."""
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)


def _stand_in(job: TuneJob, folder: Path, workers: int) -> int:
    """Drive a session until its study ends; returns how many reports it got."""
    store = Store(folder).folder(job.name)
    save_study(store, job)
    session = Session(job, store, Recorder(store, job, session=1))
    session.begin()
    running: list[str] = []
    reports = 0
    while True:
        while len(running) < workers and (assignment := session.next()) is not None:
            running.append(assignment.trial_id)
        if not running:
            break
        trial_id = running.pop(0)
        trial = session.loop.trials[trial_id]
        epoch = trial.epoch + 1
        metrics = {"value": trial.config["x"] * epoch}
        row = EpochRow(1, 1, epoch, epoch, metrics, None, 0.0, 0.1, 0.0, 0.0, 0, time.time(), "node")
        report = ProgressReport((row,), epoch, last=epoch == job.budget.epochs, checkpoints={epoch: 1})
        reports += 1
        if session.on_report(trial_id, report) == "continue":
            running.append(trial_id)
    session.flush()
    session.recorder.close("finished")
    return reports


if __name__ == "__main__":
    main()
