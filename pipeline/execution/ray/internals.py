"""The private names of Ray that tunepipe uses, which no other module uses; a test names each of them."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

SLOW_START = "timed out during startup"
"""Part of Ray's message where a node does not start in time; Ray raises nothing more specific."""

FATAL_ACTOR_ERROR = "The actor died unexpectedly"
"""Start of Ray's message where a worker's process has ended."""

FAILURE = "Failure # "
"""Start of the line before each failure in Tune's file of a trial's errors."""


def system_settings(module: str, idle_milliseconds: int) -> dict[str, Any]:
    """The argument of ray.init by which idle worker processes import a module, and stay alive."""
    return {"preload_python_modules": [module], "idle_worker_killing_time_threshold_ms": idle_milliseconds}


@contextlib.contextmanager
def sigterm_left_alone() -> Iterator[None]:
    """Within the context, Ray does not take SIGTERM for itself, and processes that it starts ignore the signal.

    Ray's own handler would end this process. systemd and Slurm send SIGTERM to every process of a study: without its
    own processes, Ray would end the driver before the end of the study is recorded.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with mock.patch("ray._private.utils.set_sigterm_handler"):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def without_unused_processes() -> Iterator[None]:
    """Within the context, Ray starts no dashboard, no autoscaler, no reader of logs and no HTTP server of its agent.

    A study on one machine does not use them, and with them ray.init takes twice as long.
    """

    def no_dashboard(node: Any, **_: Any) -> None:
        node._webui_url = ""

    with (
        mock.patch("ray._private.utils.get_dashboard_dependency_error", ImportError),
        mock.patch("ray._private.node.Node.start_api_server", no_dashboard),
        mock.patch("ray._private.node.Node.start_monitor"),
        mock.patch("ray._private.node.Node.start_log_monitor"),
    ):
        yield


def shut_down(listen: Callable[[], None]) -> None:
    """Disconnect from a cluster; end the one that this process has started, whose processes ignore SIGTERM.

    Ray's core resets SIGTERM as it ends, so that it would end the driver while the tables are completed: `listen` sets
    the driver's handler again.
    """
    import psutil
    import ray

    node, started = ray._private.worker._global_node, list[psutil.Process]()
    if node is not None:
        kill = node.kill_all_processes

        def kill_at_once(**options: Any) -> None:
            # Ray calls it immediately after its core has ended, even if it has started nothing.
            listen()
            kill(**{**options, "allow_graceful": False})

        node.kill_all_processes = kill_at_once
        for _, process in node.live_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                started += psutil.Process(process.pid).children(recursive=True)
    ray.shutdown()
    for each in started:
        # Ray's agents look for its other processes only from time to time.
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


@contextlib.contextmanager
def bare_experiment(trainable: str) -> Iterator[None]:
    """Within the context, Tune keeps little of an experiment and saves nothing; afterwards nothing of it is registered.

    Its history of metrics, and its state of all trials at the end, would take more memory than the rest of a trial. A
    mock would keep each call. Without an environment of its own, an actor takes a worker process that has imported
    TensorFlow already. A hook of each later ray.init would keep the study's data.
    """
    import ray
    from ray.tune import registry

    def nothing(*_: Any, **__: Any) -> None: ...

    hooks = ray._private.worker._post_init_hooks
    before = list(hooks)
    try:
        with (
            mock.patch("ray.tune.execution.class_cache.DEFAULT_ENV_VARS", {}),
            mock.patch("ray.tune.trainable.metadata._TrainingRunMetadata.update_metric", nothing),
            mock.patch("ray.tune.execution.tune_controller.TuneController.checkpoint", nothing),
            mock.patch("ray.tune.tune.ExperimentAnalysis"),
        ):
            yield
    finally:
        hooks[:] = before
        registry._global_registry.unregister(registry.TRAINABLE_CLASS, trainable)


def is_termination(error: BaseException) -> bool:
    """Whether an error is Ray's answer to SIGTERM, as when a machine is about to be taken away."""
    return hasattr(error, "ray_terminate_msg")


def actor_of(trial: Any) -> Any:
    """The actor that trains a trial of Tune's; None if it has none."""
    return trial.temporary_state.ray_actor


def allow_failures(trial: Any, more: int) -> None:
    """Let Tune restart a trial's worker some more times."""
    trial.max_failures = trial.run_metadata.num_failures + more


def worker_failure_reason(trial: Any) -> str:
    """Why a trial's worker is lost, as Ray reports it: one sentence."""
    text = Path(trial.error_file).read_text() if trial.error_file else ""
    lines = [line for line in text.rpartition(FAILURE)[2].splitlines()[1:] if line.strip()]
    if not lines:
        return "Ray gives no reason."
    # The death of a process is in the first line; an exception at its start is in the last.
    return lines[0] if lines[0].startswith(FATAL_ACTOR_ERROR) else lines[-1].strip()


def refuse_cached_actors(controller: Any, refuses: Callable[[Any], bool]) -> None:
    """Let Tune end the actors of some trials instead of keeping them for the next trial, as it keeps all or none."""
    controller = controller._tune_controller
    keep = controller._maybe_cache_trial_actor
    controller._maybe_cache_trial_actor = lambda trial: not refuses(trial) and bool(keep(trial))


@contextlib.contextmanager
def reporting_to(session: Any) -> Iterator[None]:
    """Within the context, ray.tune.report, get_checkpoint and get_context reach an object of tunepipe."""
    from ray.train._internal import session as sessions

    with mock.patch.object(sessions, "_session", session):
        yield


def set_iteration(trainable: Any, steps: int) -> None:
    """Set the `training_iteration` of a Trainable, which Tune counts where it calls the steps itself."""
    trainable._iteration = steps
