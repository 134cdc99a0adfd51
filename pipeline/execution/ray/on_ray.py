"""A study on Ray: start or join a cluster, have Ray Tune's controller drive the session, leave nothing behind."""

import contextlib
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.datasets import Dataset
from pipeline.errors import ClusterError
from pipeline.execution.capacity import cluster_workers, local_capacity, local_workers, no_node, unused_gpus
from pipeline.execution.data import made_by_workers
from pipeline.execution.driver.session import Session
from pipeline.execution.driver.worker_failures import MAX_WORKER_FAILURES
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.ray.cluster_address import address_of
from pipeline.execution.ray.cluster_nodes import cluster_nodes
from pipeline.execution.ray.driver_output import logged_output
from pipeline.execution.ray.environment import logger_level, ray_environment
from pipeline.execution.ray.internals import (
    experiment_saved_once,
    kept_registry,
    plain_actors,
    results_not_kept,
    signals_left_alone,
)
from pipeline.execution.ray.own_cluster import start
from pipeline.storage import Store
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob


def run_on_ray(
    session: Session,
    store: Store,
    load_data: Callable[[], Dataset | None],
    interrupts: Interrupts,
    *,
    address: str | None = None,
    note: Callable[[str], None] = print,
) -> None:
    """Drive a session with Ray Tune until the study has ended or is interrupted."""
    stdout = sys.stdout
    with (
        logged_output(store),
        _imported(interrupts),
        _cluster(session.job, address, interrupts) as (workers, joined),
        scratch("ray") as folder,
    ):
        # Some versions of Ray replace the handler of SIGTERM.
        interrupts.listen()
        session.file.record_workers(workers)
        with contextlib.redirect_stdout(stdout):
            for text in _cluster_notes(session.job, joined=joined):
                note(text)
        run_controller(
            session, store, load_data(), workers, _trial_resources(session.job, joined=joined), folder, interrupts
        )


@contextlib.contextmanager
def _imported(interrupts: Interrupts) -> Iterator[None]:
    """Import Ray, and use it as `ray_environment` says.

    An import that is cut off leaves parts of Ray behind, and a notebook's kernel could not import it again.
    """
    with contextlib.ExitStack() as environment:
        with interrupts.defer_signals():
            environment.enter_context(ray_environment())
        yield


def _cluster_notes(job: TuneJob, *, joined: bool) -> Iterator[str]:
    """What may surprise a user about the cluster that this process has joined or started, in sentences."""
    nodes = cluster_nodes(joined=joined)
    if (unused := unused_gpus(job, sum(gpus for _, gpus, _ in nodes))) is not None:
        yield unused
    if (missing := no_node(job, nodes)) is not None:
        yield f"{missing} Trials wait until such a node joins the cluster."


@contextlib.contextmanager
def _cluster(job: TuneJob, address: str | None, interrupts: Interrupts) -> Iterator[tuple[int, bool]]:
    """A Ray cluster: how many trials it trains in parallel, and whether it was there before."""
    import ray

    address, initialized = address_of(address), ray.is_initialized()
    joined = bool(address) or initialized
    try:
        # An interrupted ray.init or ray.shutdown leaves threads of Ray that cannot be ended: they cause a segmentation
        # fault when the process exits.
        with interrupts.defer_signals():
            if not joined:
                start(job, local_workers(job, *local_capacity()))
            elif not initialized:
                _join(address)
        if joined and job.resources.workers:
            # Missing resources may become available: a cluster with autoscaling starts nodes for waiting trials.
            yield job.resources.workers, joined
            return
        fits = cluster_workers(job, cluster_nodes(joined=joined))
        yield min(job.resources.workers or fits, fits), joined
    finally:
        if not initialized:
            # A cluster that the study did not start keeps running: this process disconnects.
            with interrupts.defer_signals():
                ray.shutdown()


def _join(address: str | None) -> None:
    import ray

    try:
        with signals_left_alone():
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="tunepipe")
    except Exception as error:
        # Ray has no specific error, for example for a cluster with another version of Ray or Python.
        ray.shutdown()
        raise ClusterError(f"The Ray cluster at {address} cannot be joined: {' '.join(str(error).split())}") from error


def _trial_resources(job: TuneJob, *, joined: bool) -> dict[str, float]:
    """The resources that Ray reserves for a trial; memory only on a cluster, to choose a node."""
    need = job.resources
    resources = {"cpu": need.cpus, "gpu": need.gpus}
    if joined and need.memory_gigabytes is not None:
        resources["memory"] = need.memory_gigabytes * 1e9
    return resources


@contextlib.contextmanager
def _imports_not_collected() -> Iterator[None]:
    """Within the context, Python's garbage collector leaves out the objects that exist already.

    Most belong to imported libraries and stay until the process ends. With them, a tenth of the driver's time in a
    study of many workers goes into collections.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run_controller(
    session: Session,
    store: Store,
    data: Dataset | None,
    workers: int,
    resources: dict[str, float],
    folder: Path,
    interrupts: Interrupts,
) -> None:
    """Import Ray Tune, and have its controller drive a study on the cluster of this process."""
    # Not before the cluster starts: its processes import TensorFlow at the same time.
    with interrupts.defer_signals():
        from ray import tune

        from pipeline.execution.ray.gauges import StudyGauges
        from pipeline.execution.ray.trainable import TrialTrainable
        from pipeline.execution.ray.tune_adapter import (
            SessionScheduler,
            SessionSearcher,
            SessionStopper,
            SilentReporter,
        )

    searcher, gauges = SessionSearcher(session, interrupts, workers), StudyGauges(session)
    with (
        kept_registry(TrialTrainable.__name__),
        plain_actors(),
        experiment_saved_once(),
        results_not_kept(),
        _imports_not_collected(),
        logger_level("ray.tune", logging.CRITICAL),
    ):
        tuner = tune.Tuner(
            _trainable(session, store, data, workers, resources),
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
                stop=SessionStopper(session, interrupts, gauges),
                verbose=0,
                progress_reporter=SilentReporter(),
                failure_config=tune.FailureConfig(max_failures=MAX_WORKER_FAILURES - 1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        interrupts.begin_training()
        tuner.fit()
    gauges.publish()


def _trainable(session: Session, store: Store, data: Dataset | None, workers: int, resources: dict[str, float]) -> Any:
    """The Trainable of a study, with its parameters and the resources of a trial."""
    from ray import tune

    from pipeline.execution.ray.job_transport import pack
    from pipeline.execution.ray.trainable import TrialTrainable

    packed, folders = pack(session.job)
    trainable = tune.with_parameters(
        TrialTrainable,
        job=packed,
        folders=folders,
        data=None if data is not None and made_by_workers(session.job, data) else data,
        uri=store.uri,
        session=session.file.number,
        workers=workers,
        reserves_memory="memory" in resources,
        started_in=str(Path.cwd()),
    )
    return tune.with_resources(trainable, resources)
