"""The thin tune.Trainable around a Worker: one process, many trials."""

import contextlib
import math
import os
import signal
from typing import Any

import ray
from ray import tune

from pipeline.datasets import Dataset
from pipeline.engine.messages import Assignment
from pipeline.execution.ray.internals import is_termination
from pipeline.execution.ray.job_transport import unpack
from pipeline.execution.worker.worker import Worker
from pipeline.storage import Store
from pipeline.study import Resources
from pipeline.training.process import set_up, workers_on

ASSIGNMENT = "assignment"
"""The only key of a Tune config: an Assignment as JSON."""

REPORT = "report"
"""The key of a Tune result that holds a Report as bytes."""


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains the trial that its config assigns; reused from trial to trial, so that TensorFlow is imported once."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        job: bytes | None,
        folders: list[str],
        resources: Resources | None,
        data: Dataset | None,
        uri: str,
        session: int,
        workers: int,
        reserves_memory: bool,
        started_in: str,
    ) -> None:
        # The study's own cluster blocks SIGTERM: processes that a trial starts would block it, too. Unblocked, it ends
        # this worker as a preemption does.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _work_in(started_in)
        store = Store(uri)
        if resources is not None:
            # Before the user's modules, which may start TensorFlow.
            set_up(resources)
        study = unpack(job, folders, store)
        # Ray counts what the node was started with.
        here = ray.get_runtime_context().get_node_id()
        has: dict[str, float] = next((node["Resources"] for node in ray.nodes() if node["NodeID"] == here), {})
        memory = has.get("memory", 0.0) if reserves_memory else math.inf
        self._worker = Worker(
            study,
            data,
            store,
            session=session,
            workers=workers,
            ends_process=is_termination,
            workers_here=workers_on(study.resources, has.get("CPU", 0.0), has.get("GPU", 0.0), memory),
        )
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._worker.begin(Assignment.from_json(new_config[ASSIGNMENT]))
        return True

    def step(self) -> dict[str, Any]:
        return {REPORT: self._worker.step().to_bytes()}

    def cleanup(self) -> None:
        self._worker.close()


def _work_in(started_in: str) -> None:
    """Use the folder in which the study was started, as its driver does: Tune has changed to the folder of its trial.

    The job's modules and its data function read files by relative paths. A node where the folder cannot be entered uses
    the one in which Ray started this process, the working directory of a Ray job for instance.
    """
    for folder in filter(None, (started_in, os.environ.get("TUNE_ORIG_WORKING_DIR"))):
        # A folder of that name may be another user's.
        with contextlib.suppress(OSError):
            os.chdir(folder)
            return
