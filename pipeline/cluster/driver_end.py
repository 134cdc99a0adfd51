"""The end of a driver in a RayJob: its exit code, and whether KubeRay starts its command again."""

import json
import os
import re
import signal
import threading

from pipeline.errors import ClusterError

IN_RAYJOB = "TUNEPIPE_IN_RAYJOB"
"""A variable of a driver in a RayJob: the dashboard of the head, on which the driver runs."""
EXIT_LINE = re.compile(r"^\[tunepipe\] exit code (\d+)\n?", re.MULTILINE)
"""The last line of a driver in a RayJob whose exit code is not 0."""
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""The variable in which Ray passes its submission to a driver."""


def take_dashboard() -> str | None:
    """The dashboard that takes the end of this process, the driver of a RayJob; None for any other process.

    The address is taken out of the environment: a command that the user's code starts has its own end. Workers have the
    variable, too, but only a driver has a submission.
    """
    dashboard = os.environ.pop(IN_RAYJOB, None)
    return dashboard if _JOB_CONFIG in os.environ else None


def report_end(dashboard: str | None, code: int, *, final: bool) -> None:
    """Report the exit code of a command that ends now, if it is the driver of a RayJob.

    KubeRay starts a command that fails again on a new cluster, whatever its exit code. A command that must not be
    started again lets Ray stop it first: the RayJob is then complete with the job status STOPPED.
    """
    if code == 0 or not dashboard:
        return
    print(f"[tunepipe] exit code {code}", flush=True)
    if not final:
        return
    from pipeline.cluster.jobs_api import JobsApi
    from pipeline.cluster.submissions import STOP_SECONDS

    signalled = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: signalled.set())
    try:
        JobsApi(dashboard).request_stop(json.loads(os.environ[_JOB_CONFIG])["metadata"]["job_submission_id"])
        signalled.wait(STOP_SECONDS)
    except (KeyError, ValueError, ClusterError) as error:
        signal.signal(signal.SIGTERM, before)
        print(f"[tunepipe] Ray cannot stop this command, which is started again: {error}", flush=True)
