"""The `study` of a custom overlay: what its `cluster` says holds for studies, too."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.cluster.overlays import rendered
from tests.project.manifests import HOME, as_pod, check_schema, documented_overlay, pods, ray_cluster

COMPONENTS = [
    "pull-secret/pods",
    "runtime-class",
    "gke/gpu-a100-mig",
    "gcs-rocksdb",
    "s3-identity/pods",
    "aks/identity/pods",
    "small",
]
REGISTRY = "registry.lab"
IMAGES = {f"tunepipe-{kind}": {"newName": f"{REGISTRY}/tunepipe-{kind}"} for kind in ("cpu", "gpu")}


@pytest.mark.parametrize("component", COMPONENTS)
def test_components_of_a_cluster_change_its_studies(own, component):
    """A study built on its own cluster is one RayJob with that cluster, whatever component changes it."""
    cluster = ray_cluster(own("overlays/prod-gpu/cluster", component))["spec"]
    assert cluster != ray_cluster(rendered("prod-gpu", "cluster"))["spec"]
    (job,) = own("../cluster", "study", part="study")
    assert job["kind"] == "RayJob"
    assert job["spec"]["rayClusterSpec"] == cluster


def test_a_cluster_names_the_images_of_its_studies(own):
    """The images of a cluster are those of every pod of its studies, even of the pod that submits."""
    own("overlays/prod-gpu/cluster", images=IMAGES)
    (job,) = own("../cluster", "study", part="study")
    images = [container["image"] for pod in pods(job) for container in pod["containers"]]
    images += [job["spec"]["rayClusterSpec"]["autoscalerOptions"]["image"]]
    assert [image for image in images if not image.startswith(f"{REGISTRY}/tunepipe-")] == []
    assert job["spec"]["submitterPodTemplate"]["spec"]["containers"][0]["image"].startswith(f"{REGISTRY}/tunepipe-cpu:")


@pytest.fixture
def documented(tmp_path: Path) -> str:
    """The path of the overlay that docs/kubernetes.md writes."""
    return str(documented_overlay(tmp_path))


def test_the_documented_overlay_reaches_its_studies(documented):
    """The overlay of the documentation gives a study's pods its registry, runtime class, groups and secrets."""
    cluster = ray_cluster(rendered(documented, "cluster"))["spec"]
    (job,) = rendered(documented, "study")
    assert job["spec"]["rayClusterSpec"] == cluster
    text = yaml.safe_dump(job)
    assert "image: tunepipe" not in text
    assert f"image: {REGISTRY}/tunepipe-gpu:" in text
    groups = {each["groupName"]: each for each in cluster["workerGroupSpecs"]}
    assert {name: each["template"]["spec"].get("runtimeClassName") for name, each in groups.items()} == {
        "cpu": None, "gpu-l4": "nvidia", "gpu-a100": "nvidia"
    }  # fmt: skip
    assert [groups[name]["maxReplicas"] for name in ("gpu-l4", "gpu-a100")] == [8, 4]
    assert cluster["headGroupSpec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "tunepipe-registry"}]


def test_the_documented_foundation_has_its_storage_and_no_monitoring(documented):
    """The foundation of the documentation has its storage class and quota, and needs no Prometheus operator."""
    made = rendered(documented, "foundation")
    assert not {"PodMonitor", "PrometheusRule"} & {each["kind"] for each in made}
    (claim,) = (each for each in made if each["kind"] == "PersistentVolumeClaim")
    assert claim["spec"]["storageClassName"] == "nfs"
    (quota,) = (each for each in made if each["kind"] == "ResourceQuota")
    groups = ray_cluster(rendered(documented, "cluster"))["spec"]["workerGroupSpecs"][1:]
    assert quota["spec"]["hard"]["requests.nvidia.com/gpu"] == str(sum(group["maxReplicas"] for group in groups))


def _patched(folder, part, kind):
    """A part of an overlay in a folder, with the patches of docs/kubernetes-reference.md for a kind of objects."""
    text = (HOME.parent / "docs/kubernetes-reference.md").read_text(encoding="utf-8")
    blocks = [
        yaml.safe_load(each) for each in re.findall(r"^```text\n(patches:.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    (patches,) = (block["patches"] for block in blocks if block["patches"][0]["target"]["kind"] == kind)
    file = folder / part / "kustomization.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "patches": patches}))
    return rendered(str(folder), part)


def test_a_study_on_an_object_store_needs_no_volume(own):
    """With the component `no-volume/pods`, no pod of a study waits for the claim, whatever comes before or after."""
    groups = ("gpu-l4", "gke/gpu-a100", "gpu-group")
    made = own("base/ray", "token", *groups, "page", "no-volume/pods", "ca-bundle", "gcs-rocksdb", "openshift")
    (job,) = (each for each in own("../cluster", "study", part="study") if each["kind"] == "RayJob")
    found = [*pods(made), *pods(job)]
    assert len(found) == (1 + 4) + 1 + (1 + 4) + 1
    assert "claimName" not in yaml.safe_dump_all([*made, job])
    for pod in found:
        volumes = [each for each in pod["volumes"] if each["name"] == "studies"]
        mounts = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "studies"]
        # Kubelets mount it read-only, so that the folder is not taken for a storage.
        assert volumes == [{"name": "studies", "projected": {"sources": []}}] * len(mounts)
        check_schema(as_pod(pod))


def test_a_foundation_for_object_stores_has_no_claim(own):
    """With the component `no-volume/claim`, a foundation has all of its other objects."""
    without = own("overlays/dev/foundation", "no-volume/claim", part="foundation")
    assert without == [each for each in rendered("dev", "foundation") if each["kind"] != "PersistentVolumeClaim"]


def test_the_documented_patch_of_an_identity_closes_the_metadata_server(own, tmp_path):
    """With the documented patch, pods on EKS reach the agent of Pod Identity, and not the metadata server of nodes."""
    own("base/foundation", "s3-identity/account", part="foundation")
    (policy,) = (
        each for each in _patched(tmp_path, "foundation", "NetworkPolicy") if each["metadata"]["name"] == "identity"
    )
    check_schema(policy)
    (rule,) = policy["spec"]["egress"]
    assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == ["169.254.170.23/32"]
    assert [port["port"] for port in rule["ports"]] == [80]
