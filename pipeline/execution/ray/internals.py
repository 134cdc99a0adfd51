"""The private names of Ray that tunepipe uses; no other module uses them.

If a version of Ray lacks a name, the study runs without its purpose: slower, with more processes or fewer messages,
but with the same results. tests/unit/execution/ray/test_internals.py has one test for each name.
"""

import contextlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

__all__ = [
    "FATAL_ACTOR_ERROR",
    "SLOW_START",
    "actor_of",
    "experiment_saved_once",
    "failures_of",
    "is_termination",
    "kept_registry",
    "local_address",
    "plain_actors",
    "refuse_cached_actors",
    "reporting_to",
    "results_not_kept",
    "scheduler_facts",
    "set_trial_config",
    "signals_left_alone",
    "spared_processes",
    "system_settings",
]

SLOW_START = "timed out during startup"
"""Part of Ray's message where a node does not start in time; Ray raises nothing more specific."""

FATAL_ACTOR_ERROR = "The actor died unexpectedly"
"""Start of Ray's message where a worker's process has ended."""

_NO_SERVER = "127.0.0.1:9"
"""An address where nothing listens."""


def system_settings(module: str, idle_milliseconds: int) -> dict[str, Any]:
    """The arguments of ray.init that Ray does not document.

    Args:
        module: A module that each worker process imports at its start.
        idle_milliseconds: How long an idle worker process stays.
    """
    return {
        "_system_config": {
            "preload_python_modules": [module],
            "idle_worker_killing_time_threshold_ms": idle_milliseconds,
        }
    }


@contextlib.contextmanager
def signals_left_alone() -> Iterator[None]:
    """Within the context, Ray does not take SIGTERM for itself: its handler would end the process."""
    from ray._private import utils

    with _replaced(utils, "set_sigterm_handler", lambda _: None):
        yield


@contextlib.contextmanager
def spared_processes() -> Iterator[None]:
    """Within the context, Ray starts no process that a study on one machine does not use.

    That is the process behind the dashboard (it comes with include_dashboard=False too), the one that asks a cloud for
    nodes, the one that reads logs out to the driver, and an agent's HTTP with its port for metrics: it runs as in a Ray
    that was installed without a dashboard. This saves seconds, and Ray has no settings for it.
    """
    from ray._private import utils
    from ray._private.node import Node

    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced(utils, "get_dashboard_dependency_error", ImportError))
        stack.enter_context(_replaced(Node, "start_api_server", _no_dashboard))
        for name in ("start_monitor", "start_log_monitor"):
            stack.enter_context(_replaced(Node, name, lambda *_, **__: None))
        yield


def _no_dashboard(node: Any, *_: Any, **__: Any) -> None:
    node._webui_url = ""
    # Ray's agent looks for the dashboard each second until it finds an address, and each time complains in its log.
    with contextlib.suppress(ImportError, AttributeError):
        from ray._private.ray_constants import DASHBOARD_ADDRESS, KV_NAMESPACE_DASHBOARD

        node.get_gcs_client().internal_kv_put(
            DASHBOARD_ADDRESS.encode(), _NO_SERVER.encode(), True, namespace=KV_NAMESPACE_DASHBOARD
        )


@contextlib.contextmanager
def plain_actors() -> Iterator[None]:
    """Within the context, Tune gives its actors no environment of their own.

    Tune has one for Lightning, and an actor with an environment of its own is a new process: without it, Tune takes the
    worker processes that have imported TensorFlow already.
    """
    try:
        from ray.tune.execution.class_cache import DEFAULT_ENV_VARS
    except ImportError:
        yield
        return
    kept = dict(DEFAULT_ENV_VARS)
    DEFAULT_ENV_VARS.clear()
    try:
        yield
    finally:
        DEFAULT_ENV_VARS.update(kept)


@contextlib.contextmanager
def kept_registry(trainable: str) -> Iterator[None]:
    """Remove, after the context, what Ray Tune has registered for a study.

    That is the trainable, in the cluster, and a hook of each later ray.init, which holds the study's data.

    Args:
        trainable: The trainable's name.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            from ray._private.worker import _post_init_hooks as hooks

            stack.callback(hooks.__setitem__, slice(None), list(hooks))
        with contextlib.suppress(ImportError):
            from ray.tune.registry import TRAINABLE_CLASS, _global_registry

            stack.callback(_global_registry.unregister, TRAINABLE_CLASS, trainable)
        yield


@contextlib.contextmanager
def experiment_saved_once() -> Iterator[None]:
    """Within the context, Tune saves its experiment at the start only, and not again with all trials at the end.

    The study's state is in the study's folder. Without this, a quarter of the driver's time goes into a file that is
    deleted.
    """
    try:
        from ray.tune.execution.tune_controller import TuneController
    except ImportError:
        yield
        return
    save = vars(TuneController).get("save_to_dir")
    saved: set[int] = set()

    def save_first(controller: Any) -> None:
        if save is not None and id(controller) not in saved:
            saved.add(id(controller))
            save(controller)

    with _replaced(TuneController, "save_to_dir", save_first):
        yield


@contextlib.contextmanager
def results_not_kept() -> Iterator[None]:
    """Within the context, Tune keeps no history of a trial's metrics, and reads no trial's results at its end.

    The session has the rows. Otherwise the history takes more memory than the rest of a trial, and a large study ends
    seconds later.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            from ray.tune.trainable.metadata import _TrainingRunMetadata

            stack.enter_context(_replaced(_TrainingRunMetadata, "update_metric", lambda *_, **__: None))
        with contextlib.suppress(ImportError):
            from ray.tune.analysis.experiment_analysis import ExperimentAnalysis

            stack.enter_context(_replaced(ExperimentAnalysis, "_fetch_trial_dataframes", lambda *_: {}))
        yield


def local_address() -> str | None:
    """The address of the Ray cluster that runs on this machine; None where there is none.

    Returns:
        The address; "auto", which Ray itself resolves, where this Ray has no function for it.
    """
    try:
        from ray._private.services import canonicalize_bootstrap_address
    except ImportError:
        return "auto"
    try:
        address: str | None = canonicalize_bootstrap_address("auto")
    except ConnectionError:
        return None
    return address


def is_termination(error: BaseException) -> bool:
    """Whether an error is Ray's answer to SIGTERM, as when a machine is about to be taken away.

    Args:
        error: An error that was raised in a worker. Without Ray's mark, an exit with the code 0 counts: a preemption
            must not count as the trial's own failure.
    """
    if hasattr(error, "ray_terminate_msg"):
        return True
    return not _marks_terminations() and isinstance(error, SystemExit) and error.code in (0, None)


def _marks_terminations() -> bool:
    try:
        core: Any = import_module("ray._raylet")
        core.raise_sys_exit_with_custom_error_message("tunepipe asks how this Ray marks an exit")
    except SystemExit as error:
        return hasattr(error, "ray_terminate_msg")
    except Exception:  # whatever a Ray of another version does
        return False
    return False


def actor_of(trial: Any) -> Any:
    """The actor that trains a trial of Tune's; None where it has none.

    Args:
        trial: The trial.

    Returns:
        Ray's actor handle; None where the trial has no actor.
    """
    return getattr(getattr(trial, "temporary_state", None), "ray_actor", None)


def failures_of(trial: Any) -> int:
    """How many failures Tune has counted for a trial.

    Args:
        trial: The trial.
    """
    failures = getattr(getattr(trial, "run_metadata", trial), "num_failures", 0)
    return int(failures)


def set_trial_config(trial: Any, config: dict[str, Any]) -> None:
    """Give a trial of Tune's another config.

    Args:
        trial: The trial.
        config: The config.
    """
    if hasattr(trial, "set_config"):
        trial.set_config(config)
    else:
        trial.config = config


def refuse_cached_actors(controller: Any, refuses: Callable[[Any], bool]) -> None:
    """Let Tune end the actors of some trials instead of keeping them for the next trial.

    Tune reuses every actor or none; the only place to take one out is its own method that puts an actor aside. Without
    it every actor is reused, and a worker over its memory limit stays.

    Args:
        controller: Tune's controller, or its restricted form that schedulers get.
        refuses: Gets a trial, and says whether its actor ends.
    """
    controller = getattr(controller, "_tune_controller", controller)
    keep = getattr(controller, "_maybe_cache_trial_actor", None)
    if keep is not None:
        controller._maybe_cache_trial_actor = lambda trial: not refuses(trial) and bool(keep(trial))


@contextlib.contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """Replace an attribute within the context; a Ray of another version may not have it, and stays as it is."""
    if (original := vars(owner).get(name)) is None:
        yield
        return
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def reporting_to(session: Any) -> Iterator[None]:
    """Within the context, ray.tune.report, get_checkpoint and get_context reach an object of tunepipe.

    Args:
        session: Has `report(metrics, checkpoint=None)`, `loaded_checkpoint` and what else Ray's functions ask for.
    """
    from ray.train._internal import session as sessions

    before = sessions._session
    sessions._session = session
    try:
        yield
    finally:
        sessions._session = before


def scheduler_facts(scheduler: Any) -> dict[str, Any]:
    """The arguments with which a scheduler of Ray Tune was made, as far as it keeps them.

    Args:
        scheduler: The scheduler; None has no facts.

    Returns:
        The name of its class as `kind`, and `metric`, `mode`, `longest` (max_t), `grace`, `factor` and `interval`.
    """
    if scheduler is None:
        return {}
    names = {
        "metric": "_metric",
        "mode": "_mode",
        "longest": "_max_t",
        "grace": "_grace_period",
        "factor": "_reduction_factor",
        "interval": "_perturbation_interval",
    }
    facts = {name: getattr(scheduler, kept, None) for name, kept in names.items()}
    with contextlib.suppress(AttributeError, LookupError, TypeError, ValueError):
        facts["grace"] = facts["grace"] or min(milestone for milestone, _ in scheduler._brackets[0]._rungs)
    return {"kind": type(scheduler).__name__, **facts}
