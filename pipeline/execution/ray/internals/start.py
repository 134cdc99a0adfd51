"""How Ray is started: its settings, its signal handlers, the processes other than workers, a cluster that runs."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.execution.ray.internals.names import find_private, replaced
from pipeline.missing_names import ABSENT

SLOW_START = "timed out during startup"
"""Part of Ray's message where a node does not start in time; Ray raises nothing more specific."""

_NO_SERVER = "127.0.0.1:9"
"""An address where nothing listens."""


def system_settings(module: str, idle_milliseconds: int) -> dict[str, Any]:
    """The arguments of ray.init that Ray does not document."""
    return {
        "_system_config": {
            "preload_python_modules": [module],
            "idle_worker_killing_time_threshold_ms": idle_milliseconds,
        }
    }


@contextlib.contextmanager
def signals_left_alone() -> Iterator[None]:
    """Within the context, Ray does not take SIGTERM for itself: its handler would end the process."""
    with replaced(
        "ray._private.utils",
        "set_sigterm_handler",
        lambda _: None,
        "SIGTERM while Ray starts may end the study without a message",
    ):
        yield


@contextlib.contextmanager
def signals_kept_from_ray() -> Iterator[None]:
    """Within the context, Ray starts processes that stay alive when SIGTERM reaches all processes of the study.

    A terminal sends a signal to the driver's process group, systemd and Slurm to every process that it has started.
    Without Ray's own processes, Ray ends the driver immediately, and the end of the study is not recorded.
    """
    module, name, consequence = (
        "ray._private.services",
        "ConsolePopen",
        "SIGTERM to all processes of the study ends it without tables of what was trained last",
    )
    # Elsewhere than on Linux, Ray ends its processes by their group where the driver is killed.
    process = find_private(module, name, consequence) if sys.platform.startswith("linux") else ABSENT
    if process is ABSENT:
        yield
        return

    class Kept(process):  # type: ignore[misc, valid-type]
        """A process of Ray's that ignores SIGTERM, so that Ray ends it by SIGKILL."""

        def __init__(self, *arguments: Any, preexec_fn: Callable[[], Any] | None = None, **options: Any) -> None:
            def prepare() -> None:
                if preexec_fn is not None:
                    preexec_fn()
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

            super().__init__(*arguments, preexec_fn=prepare, process_group=0, **options)

        def terminate(self) -> None:
            """End the process and its agents, which check for it only from time to time."""
            import psutil

            with contextlib.suppress(psutil.NoSuchProcess):
                started = psutil.Process(self.pid).children()
                self.kill()
                for each in started:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()

    with replaced(module, name, Kept, consequence):
        yield


@contextlib.contextmanager
def without_unused_processes() -> Iterator[None]:
    """Within the context, Ray starts no process that a study on one machine does not use.

    That is the process behind the dashboard (it comes with include_dashboard=False too), the one that asks a cloud for
    nodes, the one that reads logs out to the driver, and an agent's HTTP with its port for metrics: it runs as in a Ray
    that was installed without a dashboard. This saves seconds, and Ray has no settings for it.
    """
    consequence = "Ray runs processes that the study does not use, and starts later"
    with contextlib.ExitStack() as stack:
        for module, name, replacement in (
            ("ray._private.utils", "get_dashboard_dependency_error", ImportError),
            ("ray._private.node", "Node.start_api_server", _no_dashboard),
            ("ray._private.node", "Node.start_monitor", lambda *_, **__: None),
            ("ray._private.node", "Node.start_log_monitor", lambda *_, **__: None),
        ):
            stack.enter_context(replaced(module, name, replacement, consequence))
        yield


def _no_dashboard(node: Any, *_: Any, **__: Any) -> None:
    node._webui_url = ""
    # Ray's agent looks for the dashboard each second until it finds an address, and each time logs an error.
    constants, consequence = "ray._private.ray_constants", "Ray's agent looks for a dashboard each second"
    key = find_private(constants, "DASHBOARD_ADDRESS", consequence)
    namespace = find_private(constants, "KV_NAMESPACE_DASHBOARD", consequence)
    if ABSENT not in (key, namespace):
        with contextlib.suppress(AttributeError):
            node.get_gcs_client().internal_kv_put(key.encode(), _NO_SERVER.encode(), True, namespace=namespace)


def local_address() -> str | None:
    """The address of the Ray cluster that runs on this machine; None if there is none."""
    resolve = find_private(
        "ray._private.services",
        "canonicalize_bootstrap_address",
        "Ray itself looks for the cluster, which takes longer",
    )
    if resolve is ABSENT:
        return "auto"
    try:
        address: str | None = resolve("auto")
    except ConnectionError:
        return None
    return address
