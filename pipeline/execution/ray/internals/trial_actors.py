"""Tune's trials and their actors: which process trains a trial, why it ended, whether it is used again."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.missing_names import ABSENT, warn_once

FATAL_ACTOR_ERROR = "The actor died unexpectedly"
"""Start of Ray's message where a worker's process has ended."""

_FAILURE = "Failure # "
"""Start of the line before each failure in Tune's file of a trial's errors."""


def is_termination(error: BaseException) -> bool:
    """Whether an error is Ray's answer to SIGTERM, as when a machine is about to be taken away."""
    if hasattr(error, "ray_terminate_msg"):
        return True
    if not isinstance(error, SystemExit) or error.code not in (0, None) or _marks_terminations():
        return False
    warn_once("Ray", "mark of its own exits", "an exit with the code 0 counts as the loss of a worker")
    return True


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
    """The actor that trains a trial of Tune's; None if it has none."""
    actor: Any = getattr(getattr(trial, "temporary_state", None), "ray_actor", ABSENT)
    if actor is ABSENT:
        warn_once("Ray", "Trial.temporary_state.ray_actor", "a worker that hangs is not replaced")
        return None
    return actor


def failures_of(trial: Any) -> int:
    """How many failures Tune has counted for a trial."""
    failures: Any = getattr(getattr(trial, "run_metadata", trial), "num_failures", ABSENT)
    if failures is ABSENT:
        warn_once("Ray", "Trial.run_metadata.num_failures", "workers lost before a trial's newest epoch count, too")
        return 0
    return int(failures)


def worker_failure_reason(trial: Any) -> str:
    """Why a trial's worker is lost, as Ray reports it: one sentence."""
    path = getattr(trial, "error_file", None)
    text = Path(path).read_text() if path else ""
    if text and _FAILURE not in text:
        warn_once("Ray", f"mark {_FAILURE!r} in a trial's errors", "the reason for a lost worker is their last line")
    lines = [line for line in text.rpartition(_FAILURE)[2].splitlines()[1:] if line.strip()]
    if not lines:
        return "Ray gives no reason."
    # The death of a process is in the first line; an exception at its start is in the last.
    return lines[0] if lines[0].startswith(FATAL_ACTOR_ERROR) else lines[-1].strip()


def set_trial_config(trial: Any, config: dict[str, Any]) -> None:
    """Give a trial of Tune's another config."""
    if hasattr(trial, "set_config"):
        trial.set_config(config)
    else:
        trial.config = config


def refuse_cached_actors(controller: Any, refuses: Callable[[Any], bool]) -> None:
    """Let Tune end the actors of some trials instead of keeping them for the next trial.

    Tune reuses every actor or none; the only way to remove one is its own method that puts an actor aside. Without
    it every actor is reused, and a worker over its memory limit stays.
    """
    controller = getattr(controller, "_tune_controller", controller)
    keep = getattr(controller, "_maybe_cache_trial_actor", None)
    if keep is None:
        warn_once("Ray", "TuneController._maybe_cache_trial_actor", "a worker over its memory limit is not replaced")
        return
    controller._maybe_cache_trial_actor = lambda trial: not refuses(trial) and bool(keep(trial))
