"""The driver of one study of light trials: its CPU seconds and its memory, its workers' not included.

`run` drives real workers on Ray. Where no trial is stopped, its CPU counts when all have reported once: until then
workers compete with those that still start. `stand-in` sends the reports of workers that do not exist to the session
itself.
"""

import argparse
import os
import resource
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import run
from pipeline.engine.messages import EpochRow, Report
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session import Session
from pipeline.schedulers import ASHA, MedianStopping, Scheduler
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob, save_study
from tests.benchmarks.peers import problem

_GATE, _OPEN = "TUNEPIPE_BENCH_GATE", "open"
"""The variable that names the folder where each worker leaves a file, and the file that lets all go on."""


def count(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    epoch = 0
    while True:
        epoch += 1
        yield {"value": config["x"] * epoch}


def count_together(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Count after all workers have reported once."""
    gate = Path(os.environ[_GATE])
    for epoch, reported in enumerate(count(config), 1):
        yield reported
        if epoch == 1:
            (gate / str(config["x"])).touch()
            while not (gate / _OPEN).exists():
                time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=["run", "stand-in"])
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every-epoch", action="store_true", help="report every epoch, and stop no trial")
    arguments = parser.parse_args()
    scheduler: Scheduler = ASHA(grace_period=1, reduction_factor=3)
    if arguments.every_epoch:
        scheduler = MedianStopping(grace_period=arguments.epochs)
    together = arguments.how == "run" and arguments.every_epoch
    job = TuneJob(
        name="bench-scale", function=count_together if together else count,
        space={"x": Uniform(0.0, 1.0)}, objectives=[Objective("value", "max")], scheduler=scheduler,
        budget=Budget(trials=arguments.trials, epochs=arguments.epochs),
    )  # fmt: skip
    job = job.replaced({"resources.workers": arguments.workers})
    before, more = 0.0, dict[str, float]()
    with TemporaryDirectory() as folder:
        if arguments.how == "stand-in":
            more = _stand_in(job, Path(folder), arguments.workers)
        elif together:
            with _gate(arguments.workers) as opened:
                _start_cluster(arguments.workers)
                run(job, storage=folder)
            before = opened.result()
        else:
            run(job, storage=folder)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    problem.tell(cpu=time.process_time() - before, megabytes=megabytes, **more)


@contextmanager
def _gate(workers: int) -> Iterator[Future[float]]:
    """Keep workers at their first epoch until all have reached it: then the process had used so much CPU."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        os.environ[_GATE] = folder
        opened = Path(folder) / _OPEN

        def wait() -> float:
            while not opened.exists() and sum(1 for _ in Path(folder).iterdir()) < workers:
                time.sleep(0.1)
            before = time.process_time()
            opened.touch()
            return before

        try:
            yield executor.submit(wait)
        finally:
            # A study that failed must not wait for its workers.
            opened.touch()


def _start_cluster(workers: int) -> None:
    """Start Ray with a core for each worker: a study on its own starts at most one process per core."""
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)


def _stand_in(job: TuneJob, folder: Path, workers: int) -> dict[str, float]:
    """Drive a session until its study ends; returns the number of its reports."""
    store = Store(folder).folder(job.name)
    save_study(store, job)
    reports = 0
    session = Session(job, store, Recorder(store, job, session=1))
    session.begin()
    running: list[str] = []
    while True:
        while len(running) < workers and (assignment := session.next()) is not None:
            running.append(assignment.trial_id)
        if not running:
            break
        trial_id = running.pop(0)
        trial = session.engine.trials[trial_id]
        epoch = trial.epoch + 1
        metrics = {"value": trial.config["x"] * epoch}
        row = EpochRow(
            attempt=1, segment=1, epoch=epoch, model_epoch=epoch, metrics=metrics, learning_rate=None, updates=None,
            parameters=None, seconds_build=0.0, seconds_train=0.1, seconds_evaluate=0.0, seconds_checkpoint=0.0,
            bytes_checkpoint=0, time=time.time(), node="node", trained_with=None, phase=None,
        )  # fmt: skip
        last = epoch == job.budget.epochs
        checkpoints = [(trial_id, epoch, 1)]
        report = Report((row,), last=last, checkpoints=checkpoints)
        reports += 1
        if session.on_report(trial_id, report) == "continue":
            running.append(trial_id)
    session.flush()
    session.recorder.close("ended")
    return {"reports": reports}


if __name__ == "__main__":
    main()
