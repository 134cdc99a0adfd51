"""The Ray cluster that a study joins or starts here, quickly and left clean."""

import contextlib
import logging
import math
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from typing import Any

from pipeline.errors import ClusterError
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.ray import internals
from pipeline.execution.start import Node, fitting_workers, local_node
from pipeline.study import TuneJob
from pipeline.study.trial_configs import trials_in_all

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Seconds that an epoch in training gets when the study is interrupted; its trial resumes from its checkpoint.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "45",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "600",
    # Tune's own state is scratch: the study's state is in the study's folder.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
"""How Ray behaves in the processes of a study: variables that it reads when it is imported."""

_CONNECT_SECONDS = 5.0
_IDLE_MILLISECONDS = 120 * 1000


# Ray in this process


@contextlib.contextmanager
def ray_environment() -> Iterator[None]:
    """Import Ray and use it with `ENVIRONMENT` in this process, from which the processes of Ray inherit it.

    Variables that are set already keep their values. Afterwards the process is as before: the variables, the levels of
    Ray's loggers, and the handler of SIGUSR1, which Ray Tune replaces.
    """
    before = {name: value for name, value in os.environ.items() if _is_rays(name)}
    usr1 = signal.getsignal(signal.SIGUSR1)
    os.environ.update({**ENVIRONMENT, **before})
    try:
        # In a notebook without ipywidgets both recommend it, and a study shows no widgets.
        with warnings.catch_warnings(), logger_level("ray.widgets", logging.WARNING):
            warnings.filterwarnings("ignore", message="IProgress not found")
            import ray  # noqa: F401 - within the context, so that Ray reads the variables

            with logger_level("ray"):
                yield
    finally:
        for name in [name for name in os.environ if _is_rays(name)]:
            del os.environ[name]
        os.environ.update(before)
        with contextlib.suppress(ValueError):  # not in the main thread, the only one that may set handlers
            signal.signal(signal.SIGUSR1, usr1)


def _is_rays(name: str) -> bool:
    return name in ENVIRONMENT or name == "PYTHONBREAKPOINT" or name.startswith(("RAY_", "TUNE_"))


@contextlib.contextmanager
def logger_level(name: str, level: int | None = None) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(before if level is None else level)
    try:
        yield
    finally:
        logger.setLevel(before)


# The cluster of a study


def reachable_address(address: str | None) -> str | None:
    """The cluster to join: the given address, else RAY_ADDRESS; None if the study starts its own.

    Something must answer there: Ray itself would try for a minute.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is None or address in ("local", "auto"):
        return address
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"No Ray cluster can be reached at {address}: {error}. Nothing was started. The address is HOST:6379, not "
            "that of a dashboard, which is for `tunepipe submit`. Without --address and RAY_ADDRESS, the study starts "
            "its own Ray."
        ) from None
    return address


@contextlib.contextmanager
def cluster(job: TuneJob, address: str | None, interrupts: Interrupts) -> Iterator[tuple[int, bool]]:
    """A Ray cluster: how many trials it trains in parallel, and whether it was there before."""
    import ray

    initialized = ray.is_initialized()
    joined = bool(address) or initialized
    try:
        # An interrupted ray.init or ray.shutdown leaves threads of Ray that cannot be ended: they cause a segmentation
        # fault when the process exits.
        with interrupts.defer_signals():
            if not joined:
                # At least one trial must fit, whatever number is requested: Ray accepts any number of cores.
                fits = fitting_workers(job, [local_node()])
                start(job, min(job.resources.workers or fits, trials_in_all(job)))
            elif not initialized:
                _connect(address, f"The Ray cluster at {address} cannot be joined")
        if joined and job.resources.workers:
            # Missing resources may become available: a cluster with autoscaling starts nodes for waiting trials.
            yield job.resources.workers, joined
            return
        fits = fitting_workers(job, cluster_nodes(joined=joined))
        yield min(job.resources.workers or fits, fits), joined
    finally:
        if not initialized:
            # A cluster that the study did not start keeps running: this process disconnects.
            with interrupts.defer_signals():
                internals.shut_down(interrupts.listen)


def start(job: TuneJob, workers: int) -> None:
    """Start Ray on this machine, with worker processes that import what trials need."""
    module = "pipeline.execution.ray.trainable" if job.model is None else "pipeline.execution.ray.preload"
    # Ray says how many threads a trial has only when it begins. Libraries for matrices that were imported before have
    # a thread for each core of the machine, even in a container that may use a few of them.
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, math.floor(job.resources.cpus))))
    try:
        with internals.without_unused_processes():
            _connect(
                # Without "local", Ray would join any cluster that runs on this machine.
                "local",
                "Ray did not start on this machine; --workers 0 trains without it",
                num_cpus=math.ceil(workers * job.resources.cpus),
                include_dashboard=False,
                # An idle worker process ends after a second when all CPUs are reserved: also between the moment in
                # which a trial reserves the CPU and the one in which it takes the process, with everything imported.
                _system_config=internals.system_settings(module, _IDLE_MILLISECONDS),
            )
    finally:
        if threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def _connect(address: str | None, failure: str, **settings: Any) -> None:
    """Join a cluster, or start one, which may succeed only the second time on a machine that is busy."""
    import ray

    for again in (True, False):
        try:
            with internals.sigterm_left_alone():
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="tunepipe", **settings)
            return
        except Exception as error:
            # Ray has no specific error, for example for a cluster with another version of Ray or Python.
            ray.shutdown()
            if not again or internals.SLOW_START not in str(error):
                raise ClusterError(f"{failure}: {' '.join(str(error).split())}") from error


def cluster_nodes(*, joined: bool) -> list[Node]:
    """What each node of the cluster that this process has joined or started gives to trials."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0) if joined else math.inf) for has in alive]
