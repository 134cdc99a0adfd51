"""How Ray behaves in the processes of a study: environment variables that it reads when it is imported."""

import faulthandler
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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


@contextmanager
def ray_environment() -> Iterator[None]:
    """Import Ray and use it with `ENVIRONMENT` in this process, from which the processes of Ray inherit it.

    Variables that are set already keep their values. Afterwards the process is as before: the variables (those that Ray
    sets, too), the levels of Ray's loggers, the warning filters, the handler of SIGUSR1, which Ray Tune replaces,
    and Python's fault handler. Log files that Ray has opened stay open.
    """
    variables = {name: value for name, value in os.environ.items() if _is_rays(name)}
    usr1, fault_handler = signal.getsignal(signal.SIGUSR1), faulthandler.is_enabled()
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
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
        os.environ.update(variables)
        if signal.getsignal(signal.SIGUSR1) is not usr1:
            with suppress(ValueError):  # not in the main thread, the only one that may set handlers
                signal.signal(signal.SIGUSR1, usr1)
        if not fault_handler and not _ray_runs():
            faulthandler.disable()


@contextmanager
def logger_level(name: str, level: int | None = None) -> Iterator[None]:
    """Within the context, a logger has another level."""
    logger = logging.getLogger(name)
    before = logger.level
    if level is not None:
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def _ray_runs() -> bool:
    # A signal may have cut off the import.
    return bool(getattr(sys.modules.get("ray"), "is_initialized", bool)())


def _is_rays(name: str) -> bool:
    return name in ENVIRONMENT or name == "PYTHONBREAKPOINT" or name.startswith(("RAY_", "TUNE_"))
