"""The manifests in k8s/: what Kustomize makes of every overlay, held to Kubernetes' schemas and to good practice."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pipeline.cluster.rayjob import overlays, rendered

GOLDENS = Path(__file__).with_name("rendered")
PARTS = ("foundation", "cluster", "study")
ALL = [(overlay, part) for overlay in overlays() for part in PARTS]
RAY = {"RayCluster", "RayJob"}
OPERATORS = RAY | {"PodMonitor"}


def pods(node: Any) -> Iterator[dict[str, Any]]:
    """Every pod's spec below a node."""
    if isinstance(node, dict):
        if "containers" in node:
            yield node
        for value in node.values():
            yield from pods(value)
    elif isinstance(node, list):
        for each in node:
            yield from pods(each)


@pytest.mark.parametrize(("overlay", "part"), ALL)
def test_an_overlay_is_what_was_looked_at(overlay, part):
    """It equals its golden file; UPDATE_GOLDENS=1 writes them anew, to be read before they are committed."""
    golden = GOLDENS / f"{overlay}-{part}.yaml"
    made = yaml.safe_dump_all(rendered(overlay, part), sort_keys=False)
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(made)
    assert made == golden.read_text()


@pytest.mark.parametrize(("overlay", "part"), ALL)
def test_kinds_of_kubernetes_itself_fit_their_schemas(overlay, part):
    """Strictly: an unknown field is a mistake. The kinds of operators are for the real server."""
    for each in rendered(overlay, part):
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, "1.34", strict=True)
    for pod in (pod for each in rendered(overlay, part) if each["kind"] in RAY for pod in pods(each)):
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}, "1.34", strict=True
        )


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_pod_is_one_that_a_restricted_namespace_takes(overlay, part):
    """No root, no path of the host, no namespace of the host, a seccomp profile; it says where it may be scheduled."""
    found = [pod for each in rendered(overlay, part) for pod in pods(each)]
    assert len(found) >= 2
    for pod in found:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_container_can_change_nothing_but_its_volumes(overlay, part):
    """A read-only root, no capabilities, no way to more rights, requests and limits, a pinned image."""
    document = next(each for each in rendered(overlay, part) if each["kind"] in RAY)
    spec = document["spec"].get("rayClusterSpec", document["spec"])
    found = [each for pod in pods(document) for each in pod["containers"]] + [spec["autoscalerOptions"]]
    for container in found:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
        assert not container["image"].endswith(":latest")
        assert ":" in container["image"]


@pytest.mark.parametrize("overlay", ["dev", "prod-gpu"])
def test_gpu_groups_take_whole_gpus_and_leave_when_idle(overlay):
    """Requests equal limits, the taint is tolerated, nodes are chosen by label, from none, with time to drain."""
    (cluster,) = rendered(overlay, "cluster")
    groups = [each for each in cluster["spec"]["workerGroupSpecs"] if each["groupName"].startswith("gpu")]
    assert groups
    assert cluster["spec"]["autoscalerOptions"]["version"] == "v2"
    for group in groups:
        pod = group["template"]["spec"]
        resources = pod["containers"][0]["resources"]
        assert resources["requests"] == resources["limits"]
        assert int(resources["limits"]["nvidia.com/gpu"]) >= 1
        assert "nvidia.com/gpu" in [each["key"] for each in pod["tolerations"]]
        assert pod["nodeSelector"]
        assert (group["minReplicas"], group["replicas"]) == (0, 0)
        assert group["idleTimeoutSeconds"] > 0
        assert pod["terminationGracePeriodSeconds"] >= 60
        assert any(each.get("emptyDir", {}).get("medium") == "Memory" for each in pod["volumes"])


@pytest.mark.parametrize("overlay", overlays())
def test_a_head_trains_nothing_and_a_study_continues_itself(overlay):
    """num-cpus 0; a RayJob with retries, resumed by its entrypoint, in the mode that restricted namespaces take."""
    (job,) = rendered(overlay, "study")
    spec = job["spec"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["submitterPodTemplate"]["spec"]["containers"]
    assert spec["backoffLimit"] > 0
    assert "--resume" in spec["entrypoint"]
    assert spec["rayClusterSpec"] == rendered(overlay, "cluster")[0]["spec"]


def test_every_file_of_the_base_and_of_the_components_is_used():
    """Nothing lies in k8s/ that no kustomization names."""
    home = Path(__file__).parents[3] / "k8s"
    for folder in {path.parent for path in home.rglob("*.yaml")}:
        kustomization = (folder / "kustomization.yaml").read_text()
        unnamed = [each.name for each in folder.glob("*.yaml") if each.name not in ("kustomization.yaml",)]
        assert [name for name in unnamed if name not in kustomization] == []


def test_components_that_no_overlay_takes_can_be_added_to_one(tmp_path):
    """Kueue's queue and the head's memory, in an overlay of one's own, named by its path."""
    home = os.path.relpath(Path(__file__).parents[3] / "k8s", (tmp_path / "study").resolve())
    (tmp_path / "study").mkdir()
    (tmp_path / "study/kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [f"{home}/overlays/dev/study"],
                "components": [f"{home}/components/kueue"],
            }
        )
    )
    (job,) = rendered(str(tmp_path))
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tunepipe"
    (tmp_path / "study/kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [f"{home}/base/ray"],
                "components": [f"{home}/components/gcs-rocksdb", f"{home}/components/study"],
                "patches": [{"path": "no-cluster.yaml"}],
            }
        )
    )
    away = Path(__file__).parents[3] / "k8s/overlays/dev/study/no-cluster.yaml"
    (tmp_path / "study/no-cluster.yaml").write_text(away.read_text())
    (job,) = rendered(str(tmp_path))
    assert job["spec"]["rayClusterSpec"]["gcsFaultToleranceOptions"] == {"backend": "rocksdb"}
