"""RayJobs of a namespace: a server on loopback that answers as Kubernetes does."""

import os
from pathlib import Path

import pytest

import tune_jobs
from pipeline.cluster import kubernetes_cluster
from pipeline.cluster.api_errors import ServerUnavailable
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob


def test_a_namespace_has_the_options_that_find_it(api_server):
    """The options by which a command finds a namespace name its context, quoted for a shell, if it was named."""
    assert Kubernetes(None, "team").options == "--kubernetes --namespace team"
    config = Path(os.environ["KUBECONFIG"])
    config.write_text(
        config.read_text().replace("name: c", "name: the lab").replace("-context: c", "-context: the lab")
    )
    assert Kubernetes("the lab", "team").options == "--kubernetes --context 'the lab' --namespace team"


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


@pytest.mark.parametrize("kind", ["rayjobs.ray.io", "configmaps"])
def test_a_quota_that_others_change_is_tried_again(api_server, tmp_path, kind):
    """A conflict about a quota, which another request has changed at the same time, is not a name that is taken."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    contended = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please try again'
    api_server.conflicts[RAYJOBS if kind == "rayjobs.ray.io" else f"{CORE}/configmaps"] = [contended] * 2
    assert Kubernetes(None, "tunepipe").apply(made)
    assert [path.partition("?")[0] for path, _ in api_server.posted] == [RAYJOBS, f"{CORE}/configmaps"]


def test_the_file_of_a_deleted_rayjob_is_waited_for(api_server, tmp_path):
    """The ConfigMap of a deleted RayJob of the same name, which is deleted after it, does not end a submission."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    api_server.conflicts[f"{CORE}/configmaps"] = ['configmaps "beale-1" already exists'] * 2
    assert Kubernetes(None, "tunepipe").apply(made)
    assert api_server.deleted == []


@pytest.mark.parametrize(
    "taken", ['rayjobs.ray.io "beale-1" already exists', "object is being deleted: it already exists"]
)
def test_a_name_that_is_taken_is_not_created(api_server, taken):
    """A RayJob whose name another one has is not created, and that is not an error."""
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [])
    api_server.conflicts[RAYJOBS] = [taken]
    assert not Kubernetes(None, "tunepipe").apply(made)
    assert api_server.posted == []


@pytest.mark.parametrize("containers", [["mesh-proxy", "submitter"], ["submitter", "mesh-proxy"], ["other"]])
def test_the_log_of_a_pod_with_several_containers_is_that_of_one(api_server, containers):
    """Of the containers that a service mesh adds to a pod, none is read; the only one is read whatever its name."""
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running", containers=containers)]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = ["one\n"]
    server = Kubernetes(None, "tunepipe")
    (found,) = server.pods("s-1", {})
    assert server.log(found, "submitter") == "one\n"
    _, query = api_server.queries[-1]
    assert query.get("container") == ("submitter" if "submitter" in containers else None)


def test_a_container_that_waits_has_no_log(api_server):
    """The log of a container that has not started, with others that have, is empty; other refusals are errors."""
    path = f"{CORE}/pods/s-1-x/log"
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running")]}]
    api_server.unread[path] = (400, 'container "submitter" in pod "s-1-x" is waiting to start: PodInitializing')
    server = Kubernetes(None, "tunepipe")
    (found,) = server.pods("s-1", {})
    assert server.log(found, "submitter") == ""
    api_server.unread[path] = (403, "no")
    with pytest.raises(ClusterError, match="did not read logs: no"):
        server.log(found, "submitter")


def test_events_are_not_needed(api_server):
    """Without the right to list events there are none, and a server that is busy is asked again by the caller."""
    path = f"{CORE}/events"
    server = Kubernetes(None, "tunepipe")
    api_server.unread[path] = (403, 'events is forbidden: User "ana" cannot list resource')
    assert server.warnings() == []
    api_server.unread[path] = (503, "busy")
    with pytest.raises(ServerUnavailable):
        server.warnings()


def test_a_rayjob_that_is_not_released_is_reported(api_server, monkeypatch):
    """If the operator does not run, waiting for the deletion of a RayJob ends with an error."""
    monkeypatch.setattr(kubernetes_cluster, "SILENT_SECONDS", 0.0)
    api_server.answers[f"{RAYJOBS}/s-2"] = [rayjob("Running", "s-2")]
    api_server.held = True
    with pytest.raises(ClusterError, match=r"'s-2' still exists .* the KubeRay operator"):
        Kubernetes(None, "tunepipe").stop("s-2")


def test_an_unknown_context_is_reported(api_server):
    """An unknown context is refused with the place from which contexts are read."""
    with pytest.raises(ClusterError, match=r"nowhere.*KUBECONFIG"):
        Kubernetes("nowhere", "tunepipe")


@pytest.mark.parametrize("content", [b"hello", b"[1, 2]", b"\xff\xfe", b"", b"a:\n\t- b", b"folder", b"certificate"])
def test_a_file_that_is_no_kubeconfig_is_reported(api_server, tmp_path, content):
    """A kubeconfig that is a folder, no YAML, YAML of another kind, or without a readable certificate is an error."""
    config = tmp_path / "config"
    if content == b"folder":
        config.unlink()
        config.mkdir()
    elif content == b"certificate":
        config.write_text(
            config.read_text().replace("server: http:", "certificate-authority-data: x\n    server: https:")
        )
    else:
        config.write_bytes(content)
    with pytest.raises(ClusterError, match=r"^Kubernetes cannot be used: [\s\S]*KUBECONFIG names the file"):
        Kubernetes(None, "tunepipe")


@pytest.mark.parametrize(("answered", "exists"), [("a RayJob", True), ("not found", False), ("busy", True)])
def test_only_a_server_that_answers_says_that_a_rayjob_is_gone(api_server, answered, exists):
    """A RayJob that the server does not know is gone; one that the server cannot read now is not."""
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running")]
    if answered == "not found":
        api_server.gone.add(path)
    api_server.errors[path] = 9999 if answered == "busy" else 0
    assert Kubernetes(None, "tunepipe").exists("s-1") is exists


def test_a_log_may_have_any_bytes(api_server):
    """A log with bytes that are not text is read, with a mark in their place."""
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running")]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [b"one\n\xff\xfe two\n"]
    server = Kubernetes(None, "tunepipe")
    (found,) = server.pods("s-1", {})
    assert server.log(found, "submitter") == "one\n\ufffd\ufffd two\n"


def test_a_server_that_is_busy_after_a_deletion_is_asked_again(api_server):
    """A server that is busy after it has accepted the deletion of a RayJob does not end the wait for it."""
    api_server.errors[f"{RAYJOBS}/s-2"] = 2
    Kubernetes(None, "tunepipe").stop("s-2")
    assert api_server.deleted == [f"{RAYJOBS}/s-2"]
    assert api_server.errors[f"{RAYJOBS}/s-2"] == 0
