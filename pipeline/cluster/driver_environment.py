"""The environment of a driver on a cluster, and how it reports its exit code."""

import os
import re

from pipeline.errors import NoTrialSucceeded, UserError

__all__ = ["DRIVER_ENVIRONMENT", "EXIT_LINE", "RAYJOB_ENVIRONMENT", "STOP_SECONDS", "final_code"]

STOP_SECONDS = 30
"""The time that a stopped driver has to end by itself: to finish an epoch and write a checkpoint."""

DRIVER_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
"""Environment variables of a driver on a cluster."""

_IN_RAYJOB = "TUNEPIPE_IN_RAYJOB"

RAYJOB_ENVIRONMENT = {**DRIVER_ENVIRONMENT, _IN_RAYJOB: "1"}
"""Environment variables of a driver in a RayJob."""

EXIT_LINE = re.compile(r"^\[tunepipe\] exit code (\d+)\n?", re.MULTILINE)
"""The last line of a driver in a RayJob whose study would end in the same way on another cluster."""

_FINAL_CODES = (UserError.exit_code, NoTrialSucceeded.exit_code)
"""Codes of commands that would fail in the same way again."""


def final_code(code: int) -> int:
    """The exit code that a command ends with, given the one that it would have.

    KubeRay starts a command that fails again on a new cluster, whatever its exit code. In a RayJob, a command that
    would fail in the same way again prints its exit code and ends with success: `tunepipe submit` reads the code there.

    Args:
        code: The command's own exit code.
    """
    if code not in _FINAL_CODES or not os.environ.get(_IN_RAYJOB):
        return code
    print(f"[tunepipe] exit code {code}", flush=True)
    return 0
