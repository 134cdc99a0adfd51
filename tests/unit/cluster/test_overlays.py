"""Overlays are found, rendered and refused with what they lack."""

import os
from copy import deepcopy

import pytest
import yaml

from pipeline.cluster.overlays import check_storage_is_kept, overlays, rayjob_template, rendered
from pipeline.errors import ClusterError
from tests.project.manifests import HOME, with_components


def test_an_unknown_overlay_lists_those_there_are():
    with pytest.raises(ClusterError, match="dev, local-cpu, prod-gpu"):
        rendered("prd")


def test_a_folder_with_the_name_of_an_overlay_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local-cpu").mkdir()
    assert [each["kind"] for each in rendered("local-cpu")] == ["RayJob"]
    with pytest.raises(ClusterError, match="There is no overlay 'xxx"):
        rendered("x" * 300)


def test_an_overlay_that_kustomize_never_renders_is_refused(tmp_path, monkeypatch):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    kubectl.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("pipeline.cluster.overlays.RENDERING_SECONDS", 0.1)
    with pytest.raises(ClusterError, match=r"within 0\.1 s"):
        rendered("local-cpu")


def test_an_overlay_that_lacks_a_field_is_refused_by_its_path(monkeypatch):
    (template,) = rendered("local-cpu")
    del template["metadata"]["namespace"]
    monkeypatch.setattr("pipeline.cluster.overlays.rendered", lambda _: [deepcopy(template)])
    assert rayjob_template("dev", "lab")["metadata"]["namespace"] == "lab"
    (group,) = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    del group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    missing = r"no metadata\.namespace and no spec\.rayClusterSpec\.workerGroupSpecs\.0\.template\..*limits\.cpu, from"
    with pytest.raises(ClusterError, match=missing):
        rayjob_template("dev")


@pytest.fixture
def overlay(tmp_path):
    """A function that writes an overlay with components of its cluster/, and of its study/ after `study`."""

    def write(*components: str, study: tuple[str, ...] = ()) -> str:
        with_components(tmp_path, "base/ray", *components)
        folder = tmp_path / "study"
        folder.mkdir(exist_ok=True)
        paths = [os.path.relpath(HOME / "components" / each, folder.resolve()) for each in ("study", *study)]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../cluster"], "components": paths}))
        return str(tmp_path)

    return write


@pytest.mark.parametrize("name", overlays())
def test_the_overlays_of_tunepipe_are_not_refused(name):
    assert rayjob_template(name)["kind"] == "RayJob"


@pytest.mark.parametrize(
    "components",
    [
        ("gpu-l4", "page", "no-volume/pods", "s3-identity/pods", "ca-bundle", "openshift"),
        ("gpu-a100", "gpu-l4", "runtime-class"),
        ("eks/on-demand", "gpu-t4", "gpu-l4", "eks/spot-nodegroup"),
        ("aks/gpu-t4", "aks/spot", "aks/gpu-h100-mig"),
        ("on-demand", "gpu-l4", "gpu-t4", "spot"),
    ],
    ids="+".join,
)
def test_a_right_order_of_components_is_not_refused(overlay, components):
    assert rayjob_template(overlay(*components, study=("start-deadline",)))["kind"] == "RayJob"


@pytest.mark.parametrize(
    ("components", "study", "message"),
    [
        (("gpu-l4", "gpu-t4", "gpu-l4"), (), "Two groups have the same name"),
        (("gpu-l4", "eks/on-demand"), (), "'gpu-l4' may run on spot nodes"),
        (("gpu-a100", "gpu-l4", "runtime-class", "gpu-t4"), (), "gpu-t4 have no runtime class"),
        ((), ("token",), r"token in study/ has no effect"),
        ((), ("eks/gpu-l4-spot",), r"eks/gpu-l4-spot in study/ has no effect"),
    ],
    ids=str,
)
def test_a_component_that_would_have_no_effect_is_refused(overlay, components, study, message):
    with pytest.raises(ClusterError, match=message):
        rayjob_template(overlay(*components, study=study))


def test_a_study_on_the_study_of_another_overlay_has_no_cluster_to_change(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    home = os.path.relpath(HOME, folder)
    lines = {"resources": [f"{home}/overlays/dev/study"], "components": [f"{home}/components/token"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    with pytest.raises(ClusterError, match="no effect"):
        rayjob_template(str(tmp_path))


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
def test_a_folder_that_ends_with_a_pod_is_refused(source):
    head, group = group_with("", studies=source, tmp={"emptyDir": {}}), group_with("cpu", data=CLAIM, studies=CLAIM)
    with pytest.raises(ClusterError, match=r"in the head\. .*: /data, /studies\. "):
        check_storage_is_kept("lab", head, [group], "/studies")
    check_storage_is_kept("lab", head, [group], "s3://bucket/studies")


@pytest.mark.parametrize("storage", ["/elsewhere", "/", "/data-2", "/tmp/studies", "/data/../elsewhere"])
def test_a_folder_without_a_volume_is_refused(storage):
    pods = [group_with(name, data=CLAIM, tmp={"emptyDir": {}}) for name in ("", "cpu")]
    with pytest.raises(ClusterError, match="in the head and the group 'cpu'"):
        check_storage_is_kept("lab", pods[0], pods[1:], storage)
