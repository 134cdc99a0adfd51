"""For how long a RayJob waits whose pods do not start."""

import pytest

from pipeline.cluster.waiting_time import kept, waiting_time
from tests.unit.cluster.kubernetes_server import rayjob

BOTH = {"activeDeadlineSeconds": 1209600, "preRunningDeadlineSeconds": 3600, "backoffLimit": 3}
AUTOSCALES = {"rayClusterSpec": {"enableInTreeAutoscaling": True}}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"activeDeadlineSeconds": 1209600, "backoffLimit": 3}, "for up to 14.0 days"),
        ({"activeDeadlineSeconds": 1209600, "preRunningDeadlineSeconds": 3600}, "for 60 min"),
        ({"preRunningDeadlineSeconds": 600, "backoffLimit": 3}, "for 10 min in each of 4 tries"),
        (BOTH, "for 60 min in each of 4 tries"),
        (
            {**BOTH, **AUTOSCALES},
            "for 60 min in each of 4 tries for its head, and then for up to 14.0 days for workers",
        ),
        (
            {"preRunningDeadlineSeconds": 60, **AUTOSCALES},
            "for 60 s for its head, and then without a limit for workers",
        ),
        ({}, "without a limit"),
    ],
)
def test_a_rayjob_waits_as_long_as_its_deadlines_allow(spec, words):
    """A RayJob waits for its start deadline in each of its tries, else up to its deadline, else without a limit."""
    job = rayjob()
    job["spec"] |= spec
    assert waiting_time(job) == words


@pytest.mark.parametrize("more", [{}, AUTOSCALES])
def test_a_start_deadline_ends_with_the_start(more):
    """A RayJob that is Running waits for workers up to its deadline: that of its start is past."""
    job = rayjob("Running")
    job["spec"] |= {**BOTH, **more}
    assert waiting_time(job) == "for up to 14.0 days"


def test_a_rayjob_that_is_kept_is_deleted_by_a_command():
    """The sentence about a RayJob that is kept has the command that deletes it, with the options that find it."""
    job = rayjob()
    job["spec"]["activeDeadlineSeconds"] = 60
    where = "--kubernetes --context prod --namespace tunepipe"
    assert kept(job, where) == f"The RayJob waits for up to 60 s; `tunepipe stop s-1 {where}` deletes it."
