"""The end of a driver in a RayJob: its exit code, and whether KubeRay starts its command again."""

import json
import os
import signal
import threading

from pipeline.cluster.driver_environment import IN_RAYJOB, STOP_SECONDS, exit_line
from pipeline.errors import ClusterError, NoTrialSucceeded, UserError

__all__ = ["final_code"]

_FINAL_CODES = (UserError.exit_code, NoTrialSucceeded.exit_code)
"""Codes of commands that would fail in the same way again."""

_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""The environment variable in which Ray tells a driver its submission."""


def final_code(code: int) -> int:
    """The exit code that a command ends with, given the one that it would have.

    KubeRay starts a command that fails again on a new cluster, whatever its exit code. In a RayJob, a command that
    would fail in the same way again lets Ray stop it: then the RayJob is complete with the job status STOPPED, which
    lasts as long as the RayJob and is never that of a successful study. `tunepipe submit` reads the code in the last
    line of the driver's output. If Ray does not stop the command, it fails with its own code and is started again.

    Args:
        code: The command's own exit code.
    """
    dashboard = os.environ.get(IN_RAYJOB)
    if code == 0 or not dashboard:
        return code
    print(exit_line(code), flush=True)
    if code not in _FINAL_CODES:
        return code
    return 0 if _stopped(dashboard) else code


def _stopped(dashboard: str) -> bool:
    """Let Ray stop the submission of this process, and wait for its signal; return whether it came."""
    # A command that has nothing to report on a cluster does not need it.
    from pipeline.cluster.jobs_api import JobsApi

    signalled = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: signalled.set())
    try:
        submission = json.loads(os.environ[_JOB_CONFIG])["metadata"]["job_submission_id"]
        JobsApi(dashboard).stop(submission)
        return signalled.wait(STOP_SECONDS)
    except (KeyError, ValueError, ClusterError) as error:
        print(
            f"[tunepipe] Ray could not be asked to stop this command, which will be started again: {error}", flush=True
        )
        return False
    finally:
        if not signalled.is_set():
            signal.signal(signal.SIGTERM, before)
