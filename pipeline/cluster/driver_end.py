"""The end of a driver in a RayJob: its exit code, and whether KubeRay starts its command again."""

import json
import os
import signal
import threading

from pipeline.cluster.driver_environment import IN_RAYJOB, STOP_SECONDS, exit_line
from pipeline.errors import ClusterError

_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""The environment variable in which Ray passes its submission to a driver."""


def take_dashboard() -> str | None:
    """The dashboard that takes the end of this process, the driver of a RayJob; None for any other process.

    The address is taken out of the environment: a command that this process starts, such as one in the user's code, has
    its own end. Workers have the variable, too, but only a driver has a submission.
    """
    dashboard = os.environ.pop(IN_RAYJOB, None)
    return dashboard if _JOB_CONFIG in os.environ else None


def report_end(dashboard: str | None, code: int, *, final: bool) -> None:
    """Report the exit code of a command that ends now, if it is the driver of a RayJob; otherwise do nothing.

    KubeRay starts a command that fails again on a new cluster, whatever its exit code. A command that must not be
    started again lets Ray stop it first: then the RayJob is complete with the job status STOPPED, which lasts as
    long as the RayJob and is never that of a successful study. `tunepipe submit` reads the code in the last line of the
    driver's output. If Ray does not stop the command, it fails with its own code and is started again.
    """
    if code == 0 or not dashboard:
        return
    print(exit_line(code), flush=True)
    if final:
        _wait_for_stop(dashboard)


def _wait_for_stop(dashboard: str) -> None:
    """Ask Ray to stop the submission of this process, and wait for its signal: one that ends earlier has failed."""
    # A command that has nothing to report on a cluster does not need it.
    from pipeline.cluster.jobs_api import JobsApi

    signalled = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: signalled.set())
    try:
        submission = json.loads(os.environ[_JOB_CONFIG])["metadata"]["job_submission_id"]
        JobsApi(dashboard).stop(submission)
        failure = None if signalled.wait(STOP_SECONDS) else f"no signal in {STOP_SECONDS} s"
    except (KeyError, ValueError, ClusterError) as error:
        failure = str(error)
    if failure is not None:
        signal.signal(signal.SIGTERM, before)
        print(f"[tunepipe] Ray has not stopped this command, which is started again: {failure}", flush=True)
