"""RayJobs that have ended: a server on loopback that answers as Kubernetes does."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cluster import ended_rayjobs
from pipeline.cluster.ended_rayjobs import delete_ended, read_exit_code
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, STUDY_LABEL
from pipeline.errors import EndUnknown
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob


@pytest.mark.parametrize(("status", "code"), [({"jobStatus": "STOPPED"}, 2), ({"jobStatus": "SUCCEEDED"}, 0)])
@pytest.mark.parametrize("gone", ["pod", "log", "node", None])
def test_a_study_whose_log_is_gone_never_succeeds_by_that(api_server, monkeypatch, status, code, gone):
    """Whether a study succeeded is in its RayJob; without its pod, log or node, the code of a failure is unknown."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Complete", **status)]
    api_server.answers[f"{CORE}/pods"] = [{"items": [] if gone == "pod" else [pod("s-1-x", "Succeeded")]}]
    log = f"{CORE}/pods/s-1-x/log"
    api_server.answers[log] = ["tunepipe: a mistake\n[tunepipe] exit code 2\nJob was stopped\n" if code else "done\n"]
    api_server.errors[log] = 9999 if gone == "node" else 0
    monkeypatch.setattr(ended_rayjobs, "SILENT_SECONDS", 0.1)
    if gone == "log":
        api_server.gone.add(log)
    if gone and code:
        with pytest.raises(EndUnknown, match=r"did not succeed: an error .* `tunepipe results s --kubernetes`"):
            read_exit_code(Kubernetes(None, "tunepipe"), "s-1")
    else:
        assert read_exit_code(Kubernetes(None, "tunepipe"), "s-1") == code


@pytest.mark.parametrize("path", [f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log"])
def test_a_server_that_is_busy_at_the_end_of_a_study_is_asked_again(api_server, path):
    """The exit code of an ended study is read again from a server that is busy for a moment."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Complete", jobStatus="STOPPED")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Succeeded")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = ["[tunepipe] exit code 3\n"]
    api_server.errors[path] = 2
    assert read_exit_code(Kubernetes(None, "tunepipe"), "s-1") == 3


def test_rayjobs_that_ended_a_while_ago_are_deleted(api_server):
    """Ended RayJobs are deleted after a week, those of a study that is submitted again after ten minutes."""
    now = datetime.now(UTC)
    times = {"now": now, "hour": now - timedelta(hours=1), "month": now - timedelta(days=30)}
    jobs = []
    for study, storage in (("s", "/studies"), ("s", "s3://other"), ("t", "/studies")):
        for state, when in (("Complete", "now"), ("Failed", "hour"), ("Complete", "month"), ("Running", None)):
            job = rayjob(state, f"{study}-{len(jobs)}", **({"endTime": times[when].isoformat()} if when else {}))
            job["metadata"] |= {"labels": {STUDY_LABEL: study}, "annotations": {STORAGE_ANNOTATION: storage}}
            jobs.append(job)
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    delete_ended(Kubernetes(None, "tunepipe"), "s", "/studies")
    assert api_server.deleted == [f"{RAYJOBS}/{name}" for name in ("s-1", "s-2", "s-6", "t-10")]


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (rayjob("Complete", jobStatus="SUCCEEDED"), 0),
        (rayjob("Failed", message="Job entrypoint command failed with exit code 3, last logs"), 3),
    ],
)
def test_a_log_without_the_exit_code_is_not_read(api_server, ended, code):
    """The log of a study whose RayJob has its exit code, which a node that is away would not return, is not read."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [ended]
    assert read_exit_code(Kubernetes(None, "tunepipe"), "s-1") == code
    assert [path for path, _ in api_server.queries] == [f"{RAYJOBS}/s-1"]
