"""RayJobs of a namespace: a server on loopback that answers as Kubernetes does."""

from datetime import UTC, datetime, timedelta

import pytest

import tune_jobs
from pipeline.cluster import kubernetes_cluster
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob import study_manifests
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, STUDY_LABEL
from pipeline.errors import ClusterError, EndUnknown
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
    monkeypatch.setattr(kubernetes_cluster, "SILENT_SECONDS", 0.1)
    if gone == "log":
        api_server.gone.add(log)
    if gone and code:
        with pytest.raises(EndUnknown, match=r"did not succeed: a mistake .* `tunepipe results s-1 --kubernetes`"):
            Kubernetes(None, "tunepipe").exit_code("s-1")
    else:
        assert Kubernetes(None, "tunepipe").exit_code("s-1") == code


@pytest.mark.parametrize("path", [f"{RAYJOBS}/s-1", f"{CORE}/pods", f"{CORE}/pods/s-1-x/log"])
def test_a_server_that_is_busy_at_the_end_of_a_study_is_asked_again(api_server, path):
    """The exit code of an ended study is read again from a server that is busy for a moment."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Complete", jobStatus="STOPPED")]
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Succeeded")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = ["[tunepipe] exit code 3\n"]
    api_server.errors[path] = 2
    assert Kubernetes(None, "tunepipe").exit_code("s-1") == 3


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
    Kubernetes(None, "tunepipe").delete_ended("s", "/studies")
    assert api_server.deleted == [f"{RAYJOBS}/{name}" for name in ("s-1", "s-2", "s-6", "t-10")]


def test_a_job_file_belongs_to_its_rayjob(api_server, tmp_path):
    """A job file's ConfigMap is owned by its RayJob, and the server validates strictly."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    Kubernetes(None, "tunepipe").apply(made)
    (first, _), (_, config_map) = api_server.posted
    assert "fieldValidation=Strict" in first
    assert config_map["metadata"]["ownerReferences"] == [
        {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "beale-1", "uid": "u-1"}
    ]


def test_a_rayjob_whose_file_is_refused_is_deleted(api_server, tmp_path):
    """A RayJob whose ConfigMap is refused is deleted, because it would wait forever."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    api_server.refused[f"{CORE}/configmaps"] = (422, "data: Invalid value")
    with pytest.raises(ClusterError, match=r"ConfigMap of the job file: data: Invalid value"):
        Kubernetes(None, "tunepipe").apply(made)
    assert api_server.deleted == [f"{RAYJOBS}/beale-1"]


@pytest.mark.parametrize("named", ["s-2", "s"])
def test_a_study_is_stopped_by_its_own_name_or_its_rayjobs(api_server, named):
    """A study is stopped by its name or its RayJob's, which is deleted when the call returns."""
    going = {"items": [rayjob("Complete", "s-1"), rayjob("Running", "s-2")]}
    api_server.answers[RAYJOBS] = [going, *([going] if named == "s" else []), going, {"items": []}]
    kubernetes = Kubernetes(None, "tunepipe")
    kubernetes.stop(kubernetes.find_job(named))
    assert api_server.deleted == [f"{RAYJOBS}/s-2"]
    assert api_server.answers[RAYJOBS] == [{"items": []}]


@pytest.mark.parametrize("named", ["s-1", "s"])
def test_a_study_that_has_ended_is_found_by_its_newest_rayjob(api_server, named):
    """An ended RayJob is found by its name, or by its study's if that has no active one."""
    ended = {"items": [rayjob("Failed", "s-0"), rayjob("Complete", "s-1")]}
    api_server.answers[RAYJOBS] = [ended, ended]
    assert Kubernetes(None, "tunepipe").find_job(named) == "s-1"


def test_a_rayjob_that_is_not_released_is_reported(api_server, monkeypatch):
    """If the operator does not run, waiting for the deletion of a RayJob ends with an error."""
    monkeypatch.setattr(kubernetes_cluster, "SILENT_SECONDS", 0.0)
    api_server.answers[RAYJOBS] = [{"items": [rayjob("Running", "s-2")]}]
    with pytest.raises(ClusterError, match=r"'s-2' still exists .* the KubeRay operator"):
        Kubernetes(None, "tunepipe").stop("s-2")


def test_a_study_without_a_rayjob_cannot_be_stopped(api_server):
    """A study without a RayJob cannot be stopped, and the error names the running studies."""
    api_server.answers[RAYJOBS] = [{"items": [rayjob("Running", "t-2")]}, {"items": []}]
    with pytest.raises(ClusterError, match=r"has the name 's'.* Active RayJobs: t-2\."):
        Kubernetes(None, "tunepipe").find_job("s")


def test_an_unknown_context_is_reported(api_server):
    """An unknown context is refused with the place from which contexts are read."""
    with pytest.raises(ClusterError, match=r"nowhere.*KUBECONFIG"):
        Kubernetes("nowhere", "tunepipe")


@pytest.mark.parametrize(("answered", "exists"), [("a RayJob", True), ("not found", False), ("busy", True)])
def test_only_a_server_that_answers_says_that_a_rayjob_is_gone(api_server, answered, exists):
    """A RayJob that the server does not know is gone; one that the server cannot read now is not."""
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running")]
    if answered == "not found":
        api_server.gone.add(path)
    api_server.errors[path] = 9999 if answered == "busy" else 0
    assert Kubernetes(None, "tunepipe").exists("s-1") is exists
