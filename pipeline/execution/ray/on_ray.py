"""A study on Ray: start or join a cluster, have Ray Tune's controller drive the session, leave nothing behind."""

import contextlib
import gc
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.datasets import Dataset, takes_config
from pipeline.engine.engine import MAX_WORKER_FAILURES
from pipeline.errors import StorageError
from pipeline.execution.driver.session import Session
from pipeline.execution.ray.cluster import cluster, cluster_nodes, logger_level, ray_environment
from pipeline.execution.ray.internals import bare_experiment
from pipeline.execution.ray.job_transport import pack
from pipeline.execution.start import no_node, note_unused_gpus
from pipeline.storage import Store, layout
from pipeline.storage.scratch import scratch
from pipeline.text import note


def run_on_ray(session: Session, data: Dataset | None, address: str | None) -> None:
    """Drive a session with Ray Tune until the study has ended or is interrupted."""
    job, interrupts = session.job, session.interrupts
    with contextlib.ExitStack() as stack:
        stack.enter_context(logged_output(session.store))
        # An import that is cut off leaves parts of Ray behind, and a notebook's kernel could not import it again.
        with interrupts.defer_signals():
            stack.enter_context(ray_environment())
        workers, joined = stack.enter_context(cluster(job, address, interrupts))
        # Ray's core replaces the handler of SIGTERM.
        interrupts.listen()
        session.recorder.workers = workers
        nodes = cluster_nodes(joined=joined)
        note_unused_gpus(job, nodes)
        if (missing := no_node(job, nodes)) is not None:
            note(f"{missing} Trials wait until such a node joins the cluster.")
        resources = {"cpu": job.resources.cpus, "gpu": job.resources.gpus}
        if joined and job.resources.memory_gigabytes is not None:
            # On a cluster Ray chooses a node by it.
            resources["memory"] = job.resources.memory_gigabytes * 1e9
        # Not before the cluster starts: its processes import TensorFlow at the same time.
        with interrupts.defer_signals():
            from ray import tune

            from pipeline.execution.ray import tune_adapter
            from pipeline.execution.ray.trainable import TrialTrainable

        if data is not None and callable(job.data) and (data.pipelines or takes_config(job.data)):
            # Workers call the function: pipelines cannot be sent to them, and other configs may have other data.
            data = None
        packed, folders = pack(job)
        searcher, stopper = tune_adapter.SessionSearcher(session, workers), tune_adapter.SessionStopper(session)
        # Most objects belong to imported libraries and stay until the process ends. With them, a tenth of the driver's
        # time in a study of many workers would go into garbage collections.
        stack.callback(gc.unfreeze)
        gc.freeze()
        folder = stack.enter_context(scratch("ray"))
        stack.enter_context(bare_experiment(TrialTrainable.__name__))
        stack.enter_context(logger_level("ray.tune", logging.CRITICAL))
        trainable: Any = tune.with_parameters(
            TrialTrainable,
            job=packed,
            folders=folders,
            resources=None if job.model is None else job.resources,
            data=data,
            uri=session.store.uri,
            session=session.lease.number,
            workers=workers,
            reserves_memory="memory" in resources,
            started_in=str(Path.cwd()),
        )
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=tune_adapter.SessionScheduler(searcher),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder),
                stop=stopper,
                verbose=0,
                # In a notebook, Tune's own would clear the output of the cell.
                progress_reporter=tune.CLIReporter(),
                failure_config=tune.FailureConfig(max_failures=MAX_WORKER_FAILURES - 1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        interrupts.begin_training()
        tuner.fit()
        stopper.publish_gauges()


@contextlib.contextmanager
def logged_output(store: Store) -> Iterator[None]:
    """Keep what Ray prints within the context in the study's log of the driver: it would break the display and --json.

    Ray prints from its own threads, whatever log_to_driver says.
    """
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            yield
    finally:
        if text := output.getvalue():
            # A study does not end because of this log: a broken storage is reported where results would be lost.
            with contextlib.suppress(StorageError):
                store.append(layout.log("driver"), text.encode())
