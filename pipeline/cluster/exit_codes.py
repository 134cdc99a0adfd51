"""The exit code of a study whose RayJob has ended."""

import re
from collections.abc import Mapping
from typing import Any

from pipeline.cluster.driver_environment import EXIT_LINE
from pipeline.cluster.rayjob_states import state, study_of
from pipeline.errors import ClusterError, EndUnknown, Interrupted

_FAILED = re.compile(r"failed with exit code (-?\d+)")
"""Ray's message about a command that has failed, which KubeRay passes on."""

_SUCCEEDED, _STOPPED = "SUCCEEDED", "STOPPED"
_MAX_CHARACTERS = 600


def exit_code(job: Mapping[str, Any], log: str) -> int:
    """The exit code of a study's `tunepipe run`.

    The RayJob alone says whether it is 0: Ray stops a driver that must not be started again because of a mistake.
    Any other code is in the output of the driver.
    """
    name, status = job["metadata"]["name"], job.get("status") or {}
    message = " ".join(f"{status.get('reason', '')} {status.get('message', '')}".split())
    reported = status.get("jobStatus")
    if state(job) != "Complete":
        code = int(found[1]) if (found := _FAILED.search(message)) else 0
        if code > 0 and code != Interrupted.exit_code:
            return code
        raise ClusterError(
            f"The RayJob {name!r} has failed: {_signals(code)}{message[:_MAX_CHARACTERS]}. Submit again to resume the "
            "study."
        )
    if reported == _SUCCEEDED:
        return 0
    if printed := EXIT_LINE.findall(log):
        return int(printed[-1])
    how = (
        "did not succeed: an error in the job ended it, or no trial succeeded, or it was stopped"
        if reported == _STOPPED
        else f"has ended, and KubeRay does not say how ({message[:_MAX_CHARACTERS] or 'it has no message'})"
    )
    raise EndUnknown(
        f"The study of the RayJob {name!r} {how}. Its exit code is not known, because the driver's output is gone. "
        f"`tunepipe results {study_of(job)} --kubernetes` shows what it has recorded; `tunepipe submit` with the same "
        "storage continues it, and reports such an error again."
    )


def is_in_log(job: Mapping[str, Any]) -> bool:
    """Whether the exit code of a study is in the driver's output; otherwise its RayJob has it."""
    return state(job) == "Complete" and (job.get("status") or {}).get("jobStatus") != _SUCCEEDED


def _signals(code: int) -> str:
    """What ended the driver that was started last, if it was a signal."""
    if code == Interrupted.exit_code:
        return "its driver was interrupted each time, as on a node that is drained: "
    return f"signal {-code} ended its driver (9 often means that memory ran out): " if code < 0 else ""


def ended_state(code: int | None) -> str:
    """The state of a RayJob that KubeRay calls complete, whatever the result of its study."""
    if code == 0:
        return "COMPLETE"
    return _STOPPED if code in (None, Interrupted.exit_code) else "FAILED"
