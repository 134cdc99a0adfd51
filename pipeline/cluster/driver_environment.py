"""The environment of a driver on a cluster, and the line in which it reports its exit code."""

import re

STOP_SECONDS = 30
"""The time that a stopped driver has to end by itself: to finish an epoch and write a checkpoint."""

DRIVER_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
"""Environment variables of a driver on a cluster."""

IN_RAYJOB = "TUNEPIPE_IN_RAYJOB"
"""An environment variable of a driver in a RayJob: the address of the dashboard of its head, on which it runs."""

RAYJOB_ENVIRONMENT = {**DRIVER_ENVIRONMENT, IN_RAYJOB: "http://127.0.0.1:8265"}
"""Environment variables of a driver in a RayJob."""

EXIT_LINE = re.compile(r"^\[tunepipe\] exit code (\d+)\n?", re.MULTILINE)
"""The last line of a driver in a RayJob whose exit code is not 0."""


def exit_line(code: int) -> str:
    """The line in which a driver reports its exit code."""
    return f"[tunepipe] exit code {code}"
