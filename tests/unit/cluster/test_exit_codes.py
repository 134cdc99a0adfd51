"""The exit code of a study, as its RayJob and its log have it."""

import pytest

from pipeline.cluster.exit_codes import ended_state, exit_code, is_in_log
from pipeline.errors import ClusterError, EndUnknown
from tests.ray_sources import check_text
from tests.unit.cluster.kubernetes_server import rayjob

FAILED = "Job entrypoint command failed with exit code 3, last available logs: exit code 0"


@pytest.mark.parametrize(
    ("state", "status", "log", "code"),
    [
        ("Failed", {"jobStatus": "FAILED", "message": FAILED}, "", 3),
        ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 130\n", 130),
        ("Complete", {"jobStatus": "STOPPED"}, "[tunepipe] exit code 3\n", 3),
        ("Complete", {"jobStatus": "SUCCEEDED"}, "", 0),
        ("Complete", {"jobStatus": "SUCCEEDED"}, "[tunepipe] exit code 2\n", 0),
    ],
)
def test_a_study_has_its_own_exit_code(state, status, log, code):
    """The exit code is in the operator's message for a failed study, and in the log for one that Ray stopped."""
    assert exit_code(rayjob(state, **status), log) == code
    assert is_in_log(rayjob(state, **status)) is (state == "Complete" and code != 0)


@pytest.mark.parametrize("status", [{"jobStatus": "STOPPED"}, {"jobStatus": ""}, {"jobStatus": "FAILED"}, {}])
def test_an_unknown_exit_code_is_not_success(status):
    """A completed RayJob that KubeRay does not call successful has no exit code without its log, and says so."""
    with pytest.raises(EndUnknown, match=r"exit code is not known") as raised:
        exit_code(rayjob("Complete", **status), "")
    assert raised.value.exit_code == 4


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, r"signal 9 ended its driver \(9 often means that memory ran out\)"),
        (130, "its driver was interrupted each time"),
    ],
)
def test_a_driver_that_a_signal_ended_has_no_exit_code_of_a_mistake(code, words):
    """A RayJob whose driver was killed or interrupted at each try is an error that says so, with what to do."""
    with pytest.raises(ClusterError, match=f"{words}.*Submit again to resume"):
        exit_code(rayjob("Failed", message=f"Job entrypoint command failed with exit code {code}"), "")


@pytest.mark.parametrize("message", ["The head was lost.", "failed with exit code 0"])
def test_a_rayjob_that_failed_before_its_command_has_no_exit_code(message):
    """A failed RayJob without its command's exit code is an error with the operator's message, never code 0."""
    with pytest.raises(ClusterError, match=message):
        exit_code(rayjob("Failed", message=message), "")


@pytest.mark.parametrize(
    ("code", "state"), [(0, "COMPLETE"), (2, "FAILED"), (3, "FAILED"), (130, "STOPPED"), (None, "STOPPED")]
)
def test_only_a_study_that_succeeded_is_complete(code, state):
    """A RayJob that KubeRay calls complete is failed or stopped if its study did not succeed."""
    assert ended_state(code) == state


@pytest.mark.parametrize("text", ["failed with exit code {return_code}", "put_status(self._job_id, JobStatus.STOPPED)"])
def test_ray_says_how_a_command_ended(text):
    """Ray still names the exit code of a failed command, and has its own status for one that it has stopped."""
    check_text(
        text,
        "dashboard/modules/job/job_supervisor.py",
        "pipeline/cluster/exit_codes.py reads how a study ended",
        "exit codes of studies in Kubernetes are unknown",
    )
