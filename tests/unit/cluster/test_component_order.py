"""The order in which an overlay names components."""

import os

import pytest
import yaml

from pipeline.cluster.component_order import SPOT_LABELS, wrong_order
from pipeline.cluster.overlays import overlays, rayjob_template, rendered
from pipeline.errors import ClusterError
from tests.project.manifests import HOME, ray_cluster, refused_labels, with_components


def found(folder, *components):
    """What is wrong with the order of a cluster's components."""
    made = with_components(folder, "base/ray", *components)
    page = next((each for each in made if each["kind"] == "Deployment"), None)
    return wrong_order(ray_cluster(made)["spec"]["workerGroupSpecs"], page)


@pytest.mark.parametrize("overlay", overlays())
def test_the_order_of_the_bundled_overlays_is_right(overlay):
    """The overlays of tunepipe name their components in a right order."""
    assert rayjob_template(overlay)["kind"] == "RayJob"


@pytest.mark.parametrize(
    "components",
    [
        ("gpu-l4", "page", "no-volume/pods", "s3-identity/pods", "ca-bundle", "openshift"),
        ("no-volume/pods", "gpu-l4", "ca-bundle"),
        ("s3-identity/pods", "ca-bundle", "openshift", "small", "gpu-a100", "gpu-l4", "runtime-class"),
        ("eks/on-demand", "gpu-t4", "gpu-l4", "eks/spot-nodegroup"),
        ("gpu-l4-spot", "gpu-l4"),
        ("eks/gpu-a100", "gpu-l4", "eks/gpu-l4-spot"),
        ("aks/gpu-t4", "aks/spot", "aks/gpu-h100-mig", "page", "aks/identity/pods"),
        ("gke/on-demand", "gke/gpu-l4-shared", "gke/gpu-l4-spot"),
        ("on-demand", "gpu-l4", "gpu-t4", "spot"),
    ],
    ids="+".join,
)
def test_a_right_order_is_not_refused(tmp_path, components):
    """Groups may follow components that change all pods, and spot groups those that keep pods off spot nodes."""
    assert found(tmp_path, *components) == []


@pytest.mark.parametrize(
    ("components", "message"),
    [
        (("gpu-l4", "gpu-t4", "gpu-l4"), "Two groups have the name 'gpu-l4': name its component once"),
        (("aks/gpu-t4", "aks/spot", "aks/gpu-t4"), "Two groups have the name 'gpu-t4'"),
        (("gpu-l4", "eks/on-demand"), "'gpu-l4' may run on spot nodes, unlike the head and the group 'cpu'"),
        (("gpu-l4", "aks/gpu-t4"), "'gpu-l4' may run on spot nodes"),
        (("gpu-a100", "gpu-l4", "runtime-class", "gpu-t4"), "The group 'gpu-t4' has no runtime class"),
        (
            ("s3-identity/pods", "page"),
            "s3-identity/pods has not changed the live page: name the component page before",
        ),
        (("aks/identity/pods", "page"), "aks/identity/pods has not changed the live page"),
        (("ca-bundle", "page"), "ca-bundle has not changed the live page"),
        (("no-volume/pods", "page"), "no-volume/pods has not changed the live page"),
        (("openshift", "page"), "openshift has not changed the live page"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_a_component_without_effect_is_named_with_its_place(tmp_path, components, message):
    """A component that has left out a group or the live page is named, with the order that is right."""
    assert message in " ".join(found(tmp_path, *components))


def test_nodes_that_a_user_chooses_are_not_those_of_a_component(tmp_path):
    """A group that names the label itself, and a head that alone is kept off spot nodes by a patch, are not refused."""
    groups = ray_cluster(with_components(tmp_path, "base/ray", "eks/on-demand", "gpu-t4", "gpu-l4"))["spec"]
    first, own, other = groups["workerGroupSpecs"]
    for group in (own, other):
        del group["template"]["spec"]["affinity"]
    own["template"]["spec"]["nodeSelector"] = {"karpenter.sh/capacity-type": "on-demand"}
    assert [each.split(" may ")[0] for each in wrong_order([first, own, other], None)] == ["The group 'gpu-t4'"]
    del first["template"]["spec"]["affinity"]
    assert wrong_order([first, own, other], None) == []


def test_a_group_of_gpus_has_no_pods_that_always_run(tmp_path):
    """A group of GPUs after a patch of the group of CPUs has neither its number of pods nor what Ray counts in one."""
    group = "/spec/workerGroupSpecs/0/"
    own = {"replicas": 2, "minReplicas": 2, "rayStartParams": {"num-cpus": "1"}, "resources": {"CPU": "1"}}
    changes = [{"op": "add", "path": group + field, "value": value} for field, value in own.items()]
    patch = {"target": {"kind": "RayCluster"}, "patch": yaml.safe_dump(changes)}
    first = tmp_path / "first"
    first.mkdir()
    base, gpus = (os.path.relpath(HOME / each, first.resolve()) for each in ("base/ray", "components/gpu-l4"))
    (first / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [base], "patches": [patch]}))
    study = tmp_path / "study"
    study.mkdir()
    (study / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../first"], "components": [gpus]}))
    cpus, group_of_gpus = ray_cluster(rendered(str(tmp_path)))["spec"]["workerGroupSpecs"]
    assert {field: cpus[field] for field in own} == own
    assert (group_of_gpus["replicas"], group_of_gpus["minReplicas"], group_of_gpus["rayStartParams"]) == (0, 0, {})
    assert "resources" not in group_of_gpus


def test_groups_of_a_user_are_not_compared_with_those_of_components(tmp_path):
    """Own groups with other accelerators, or with a node pool named, need no affinity; the former no runtime class."""
    made = with_components(tmp_path, "base/ray", "gke/on-demand", "gpu-l4", "runtime-class")
    first, gpus = ray_cluster(made)["spec"]["workerGroupSpecs"]
    limits = [{"amd.com/gpu": "1"}, {"google.com/tpu": "4"}, {}]
    own = [
        {
            "groupName": f"gpu-own-{number}",
            "template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "6", "memory": "24Gi", **each}}}]}},
        }
        for number, each in enumerate(limits)
    ]
    assert wrong_order([first, gpus, *own], None) == []
    del gpus["template"]["spec"]["affinity"]
    assert len(wrong_order([first, gpus], None)) == 1
    for pool in ("cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "kubernetes.azure.com/agentpool"):
        gpus["template"]["spec"]["nodeSelector"] = {pool: "cards"}
        assert wrong_order([first, gpus], None) == []


def test_the_spot_labels_are_those_of_the_components(tmp_path):
    """The labels of spot nodes are those that the component for all clouds refuses, which are those of each cloud."""
    for name in ("on-demand", "gke/on-demand", "eks/on-demand", "eks-auto/on-demand", "aks/on-demand"):
        (group,) = ray_cluster(with_components(tmp_path, "base/ray", name))["spec"]["workerGroupSpecs"]
        refused = refused_labels(group["template"]["spec"])
        assert refused
        assert refused <= set(SPOT_LABELS)
        if name == "on-demand":
            assert refused == set(SPOT_LABELS)


def test_submit_refuses_a_wrong_order_of_components(tmp_path):
    """An overlay with components in a wrong order is refused with all that is wrong, including the live page."""
    with_components(tmp_path, "base/ray", "ca-bundle", "page", "gpu-l4", "gpu-l4")
    study = tmp_path / "study"
    study.mkdir()
    path = os.path.relpath(HOME / "components/study", study.resolve())
    (study / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../cluster"], "components": [path]}))
    assert {each["kind"] for each in rendered(str(tmp_path))} == {"RayJob", "Deployment"}
    with pytest.raises(
        ClusterError, match=r"Two groups have the name 'gpu-l4'.*ca-bundle has not changed the live page"
    ):
        rayjob_template(str(tmp_path))
