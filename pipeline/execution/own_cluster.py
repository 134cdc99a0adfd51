"""A Ray cluster of the study's own, on this machine: there as soon as may be, and gone with the study."""

import contextlib
import logging
import math
from collections.abc import Iterator
from typing import Any

from pipeline.errors import ClusterError
from pipeline.study import TuneJob

__all__ = ["start"]

_STARTS = 2

_IDLE_MILLISECONDS = 120 * 1000

_NOBODY = "127.0.0.1:9"
"""Where nobody listens."""


def start(job: TuneJob, workers: int) -> None:
    """Start Ray on this machine, with a worker process for each core of its trials that imports what trials need.

    Args:
        job: What is to be tuned.
        workers: How many trials train at once.

    Raises:
        ClusterError: Ray does not start. On a machine under load it gives up after half a minute: it is tried twice.
    """
    import ray

    arguments: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "namespace": "tunepipe",
        "num_cpus": math.ceil(workers * job.resources.cpus),
        "include_dashboard": False,
        "_system_config": {
            "preload_python_modules": [_preloaded(job)],
            # A worker without work and without a CPU left to be given would end after a second: between the moment in
            # which its CPU is reserved for a trial and the one in which the trial takes it, with all it has imported.
            # Where a trial has several cores, there are more of them than trials: those are to end all the same.
            "idle_worker_killing_time_threshold_ms": _IDLE_MILLISECONDS,
        },
    }
    for left in reversed(range(_STARTS)):
        try:
            with _spared():
                # Without that word, Ray would join whatever cluster somebody has started on this machine.
                ray.init("local", **arguments)
        except Exception as error:
            # Ray raises nothing more telling.
            if "timed out during startup" not in str(error):
                raise
            ray.shutdown()
            if not left:
                raise ClusterError(
                    f"Ray did not start on this machine, tried {_STARTS} times: {' '.join(str(error).split())} If much "
                    "else is running here, wait for it, or train in this process with --workers 0."
                ) from None
        else:
            return


def _preloaded(job: TuneJob) -> str:
    return "pipeline.execution.trainable" if job.model is None else "pipeline.execution.preload"


@contextlib.contextmanager
def _spared() -> Iterator[None]:
    """Start nothing that a study on one machine has no use for. It saves seconds; Ray has no settings for it.

    That is the process behind the dashboard (it comes with include_dashboard=False too), the one that asks a cloud for
    nodes, the one that reads logs out to the driver, and an agent's HTTP, its port for metrics included: it runs as in
    a Ray that was installed without a dashboard.
    """
    from ray._private import utils
    from ray._private.node import Node

    with contextlib.ExitStack() as stack:
        stack.enter_context(_instead(utils, "get_dashboard_dependency_error", ImportError))
        stack.enter_context(_instead(Node, "start_api_server", _no_dashboard))
        for name in ("start_monitor", "start_log_monitor"):
            stack.enter_context(_instead(Node, name, lambda *_, **__: None))
        yield


def _no_dashboard(node: Any, *_: Any, **__: Any) -> None:
    from ray._private.ray_constants import DASHBOARD_ADDRESS, KV_NAMESPACE_DASHBOARD

    node._webui_url = ""
    # Ray's agent looks for the dashboard each second until it finds something, and each time complains in its log.
    node.get_gcs_client().internal_kv_put(
        DASHBOARD_ADDRESS.encode(), _NOBODY.encode(), True, namespace=KV_NAMESPACE_DASHBOARD
    )


@contextlib.contextmanager
def _instead(owner: Any, name: str, other: Any) -> Iterator[None]:
    """Put something in an attribute's place for a while; nothing where a Ray of another version has none."""
    if (kept := vars(owner).get(name)) is None:
        yield
        return
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, kept)
