"""One worker that trains trial after trial, as the actor does, one epoch each; its memory on the way."""

from tempfile import TemporaryDirectory

import psutil

from pipeline.datasets import load
from pipeline.engine.messages import Assignment
from pipeline.execution.worker.worker import Worker
from pipeline.storage import Store
from pipeline.storage.layout import trial_id
from pipeline.study.trial_configs import config_of_trial
from tests.benchmarks.jobs.bench_search import JOB
from tests.benchmarks.peers import problem

_EVERY = 4


def main() -> None:
    job = JOB.replaced({"budget.epochs": 1})
    megabytes = {}
    with TemporaryDirectory() as folder:
        worker = Worker(job, load("mnist"), Store(folder), capture=False)
        for index in range(problem.trials()):
            config = config_of_trial(job, index)
            worker.begin(Assignment(trial_id(index), config, job.seed))
            report = worker.step()
            if report.failure or report.unusable:
                raise SystemExit(report.failure or report.unusable)
            worker.close()
            if (index + 1) % _EVERY == 0:
                megabytes[index + 1] = psutil.Process().memory_info().rss / 1e6
    problem.tell(megabytes=megabytes)


if __name__ == "__main__":
    main()
