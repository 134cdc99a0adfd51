"""The template of a study: by name, from a file of manifests, or from values that Helm renders."""

from copy import deepcopy

import pytest
import yaml

from pipeline.cluster.chart import check_storage_is_kept, named_values, rayjob_template, rendered
from pipeline.errors import ClusterError
from tests.manifests import helm


@pytest.mark.parametrize("name", ["prd", "./prd", "prd.yaml"])
def test_unknown_values_list_those_there_are(name):
    with pytest.raises(ClusterError, match="local-cpu, prod-gpu"):
        rendered(name)


@pytest.mark.parametrize("name", named_values())
def test_names_need_no_helm(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert rayjob_template(name, "lab")["metadata"]["namespace"] == "lab"


def test_a_file_of_manifests_needs_no_helm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (file := tmp_path / "lab.yaml").write_text(yaml.safe_dump_all([*rendered("local-cpu"), {"kind": "Namespace"}]))
    assert rayjob_template(str(file)) == rayjob_template("local-cpu")
    file.write_text("kind: Namespace")
    with pytest.raises(ClusterError, match="must have one RayJob; they have 0"):
        rayjob_template(str(file))


def test_values_are_rendered_by_helm(tmp_path, monkeypatch):
    (file := tmp_path / "lab.yaml").write_text("groups: [{gpu: t4, max: 3}]")
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        with pytest.raises(ClusterError, match=r"Helm, .* was not found.*helm template tunepipe .*study\.enabled=true"):
            rendered(str(file))
    monkeypatch.setenv("PATH", helm().rpartition("/")[0])
    _, group = rayjob_template(str(file))["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (group["groupName"], group["maxReplicas"]) == ("gpu-t4", 3)
    file.write_text("groups: [{gpu: t5}]")
    with pytest.raises(ClusterError, match="There is no group with the GPU t5"):
        rendered(str(file))


def test_a_rayjob_that_lacks_a_field_is_refused(monkeypatch):
    (template,) = rendered("local-cpu")
    (group,) = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    del group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    monkeypatch.setattr("pipeline.cluster.chart.rendered", lambda _: [deepcopy(template)])
    with pytest.raises(ClusterError, match="lacks 'cpu'"):
        rayjob_template("lab")


CLAIM = {"persistentVolumeClaim": {"claimName": "studies"}}


def group_with(name: str, **volumes) -> dict:
    """A group whose container mounts volumes at folders of their names."""
    pod = {
        "volumes": [{"name": each, **source} for each, source in volumes.items()],
        "containers": [{"volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in volumes]}],
    }
    return {"groupName": name, "template": {"spec": pod}}


@pytest.mark.parametrize("source", [CLAIM, {"nfs": {"server": "a", "path": "/"}}, {"hostPath": {"path": "/a"}}])
@pytest.mark.parametrize("storage", ["/studies", "/studies/lab", "//studies", "/tmp/../studies"])
def test_a_folder_on_a_volume_is_kept(source, storage):
    check_storage_is_kept("lab", group_with("", studies=source), [group_with("cpu", studies=source)], storage)


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"projected": {"sources": []}}, {"ephemeral": {}}])
@pytest.mark.parametrize("storage", ["/studies", "/studies-2", "/", "/data/../elsewhere"])
def test_a_folder_that_ends_with_a_pod_is_refused(source, storage):
    kept, lost = group_with("cpu", studies=CLAIM), group_with("cpu", studies=source)
    with pytest.raises(ClusterError, match=r"in the head\."):
        check_storage_is_kept("lab", lost, [kept], storage)
    if storage == "/studies":
        with pytest.raises(ClusterError, match="in the group 'cpu'"):
            check_storage_is_kept("lab", kept, [lost], storage)
    check_storage_is_kept("lab", lost, [lost], "s3://bucket/studies")
