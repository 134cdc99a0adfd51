"""A study on Ray: start or join a cluster, have Ray Tune's controller drive the session, leave nothing behind."""

import contextlib
import io
import logging
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.datasets import Dataset
from pipeline.errors import ResourcesUnmet
from pipeline.execution.interrupts import Interrupts, interruptible
from pipeline.execution.own_cluster import start
from pipeline.execution.session import MAX_LOSSES, Session
from pipeline.storage import Store
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout

__all__ = ["ENVIRONMENT", "default_workers", "here", "run_on_ray", "set_environment"]

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Seconds that an epoch in training gets when the study is interrupted; its trial goes on from its checkpoint.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "45",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "600",
    # Tune's own state is scratch: the study's state lies with the study.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}


def default_workers(job: TuneJob, cpus: float, gpus: float) -> int:
    """How many trials fit at once.

    Raises:
        ResourcesUnmet: Not even one does.
    """
    need = job.resources
    for kind, wanted, there in (("CPU", need.cpus, cpus), ("GPU", need.gpus, gpus)):
        if wanted > there:
            raise ResourcesUnmet(
                f"A trial of {job.name!r} asks for {wanted:g} {kind}s, and there are {there:g}. "
                f"Ask for less with --set resources.{kind.lower()}s=…, or run it where there are more."
            )
    return max(1, math.floor(min(cpus / need.cpus, gpus / need.gpus if need.gpus else math.inf)))


def here() -> tuple[float, float]:
    """CPU cores and GPUs of this machine, without starting Ray or TensorFlow to count them."""
    return float(os.cpu_count() or 1), float(len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))


def run_on_ray(
    session: Session, store: Store, load_data: Callable[[], Dataset | None], *, address: str | None = None
) -> None:
    """Drive a session with Ray Tune until the study has ended or was interrupted.

    Args:
        session: The study.
        store: Its folder; every node must reach it.
        load_data: Gives the study's data; called while the workers start.
        address: Of a running Ray cluster; None takes the one that RAY_ADDRESS names, as within a job of Ray's Jobs API,
            or else starts one on this machine and stops it at the end.

    Raises:
        ClusterError: Ray does not start.
        ResourcesUnmet: No trial fits.
    """
    with (
        interruptible() as interrupts,
        _notes(store),
        _ray(session.job, address) as workers,
        scratch("ray") as folder,
    ):
        # Ray has taken SIGTERM for itself.
        interrupts.listen()
        session.workers = workers
        _tune(session, store, load_data(), workers, folder, interrupts)


def set_environment() -> None:
    """Tell Ray, which may not be imported yet, how it is to behave in this process and those it starts."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)


@contextlib.contextmanager
def _ray(job: TuneJob, address: str | None) -> Iterator[int]:
    """A Ray cluster, and how many trials it trains at once."""
    set_environment()
    import ray

    address = address or os.environ.get("RAY_ADDRESS")
    joined = address or ray.is_initialized()
    if not joined:
        # One trial must fit, however many are asked for: Ray believes in any number of cores that it is told of.
        fits = default_workers(job, *here())
        start(job, job.resources.workers or fits)
    elif not ray.is_initialized():
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="tunepipe")
    try:
        there = ray.cluster_resources()
        if joined and job.resources.workers:
            # What is not there yet may come: a cluster that scales itself starts nodes for trials that wait.
            yield job.resources.workers
            return
        fits = default_workers(job, there.get("CPU", 0), there.get("GPU", 0))
        yield min(job.resources.workers or fits, fits)
    finally:
        if not joined:
            ray.shutdown()


@contextlib.contextmanager
def _notes(store: Store) -> Iterator[None]:
    """Keep Ray's own notes in the study's log of the driver: they would tear the display, and break --json.

    Ray prints them from a thread of its own, whatever log_to_driver says.
    """
    notes = io.StringIO()
    try:
        with contextlib.redirect_stdout(notes):
            yield
    finally:
        if text := notes.getvalue():
            store.append(layout.log("driver"), text.encode())


def _tune(
    session: Session, store: Store, data: Dataset | None, workers: int, folder: Path, interrupts: Interrupts
) -> None:
    from ray import tune
    from ray.tune.execution import class_cache

    from pipeline.execution.metrics import Metrics
    from pipeline.execution.scheduling import SessionScheduler, SessionSearcher
    from pipeline.execution.trainable import TrialTrainable
    from pipeline.execution.travel import pack

    job = session.job
    searcher = SessionSearcher(session, workers)
    packed, folders = pack(job)
    metrics = Metrics(session)

    class Interrupt(tune.Stopper):  # type: ignore[misc]
        """Ends the study when a signal has come or the session has ended: Tune would wait for paused trials."""

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            if interrupts.asked and not session.interrupted:
                session.interrupt()
            with session.guarded():
                session.beat()
            metrics.tell_if_due()
            return session.ended

    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(
                TrialTrainable, job=packed, folders=folders, data=data, uri=store.uri, session=session.number
            ),
            {"cpu": job.resources.cpus, "gpu": job.resources.gpus},
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=SessionScheduler(searcher),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            stop=Interrupt(),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_LOSSES - 1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Tune gives its actors an environment of their own (for Lightning's sake), and an environment of its own costs
    # an actor a new process: without it they take the ones that have TensorFlow imported already.
    class_cache.DEFAULT_ENV_VARS.clear()
    tuner.fit()
    metrics.tell()
