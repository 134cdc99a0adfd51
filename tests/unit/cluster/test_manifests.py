"""The manifests in k8s/: what Kustomize makes of every overlay, held to Kubernetes' schemas and to good practice."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.cluster.rayjob import overlays, rendered, study_manifests

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


HOME = Path(__file__).parents[3] / "k8s"


@pytest.fixture
def own(tmp_path) -> Callable[..., list[dict[str, Any]]]:
    """Renders an overlay of one's own: one there is, or a base, with more components."""

    def made(
        below: str, *components: str, part: str = "cluster", without_cluster: bool = False, images: Any = None
    ) -> list[dict[str, Any]]:
        folder = tmp_path / part
        folder.mkdir(exist_ok=True)
        home = os.path.relpath(HOME, folder.resolve())
        kustomization: dict[str, Any] = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{home}/{below}"],
            "components": [f"{home}/components/{name}" for name in components],
            "images": [{"name": name, "newName": new} for name, new in (images or {}).items()],
        }
        if without_cluster:
            (folder / "no-cluster.yaml").write_text((HOME / "overlays/dev/study/no-cluster.yaml").read_text())
            kustomization["patches"] = [{"path": "no-cluster.yaml"}]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return rendered(str(tmp_path), part)

    return made


def pods_of_groups(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod of each group of the one RayCluster."""
    (cluster,) = (each for each in objects if each["kind"] == "RayCluster")
    return {each["groupName"]: each["template"]["spec"] for each in cluster["spec"]["workerGroupSpecs"]}


def test_kueue_queues_a_study(own, tmp_path):
    """The RayJob names its queue; Kueue takes none whose cluster autoscales, so that all of the plan is asked for."""
    (job,) = own("overlays/dev/study", "kueue", part="study")
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is False
    tuned = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 3})
    made = study_manifests(tuned, "beale", str(tmp_path), "/studies", [])
    replicas = {each["groupName"]: each["replicas"] for each in made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    assert replicas == {"cpu": 0, "gpu-l4": 3}
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tunepipe"


def test_what_the_head_knows_can_outlive_it(own):
    """The RayJob's cluster has it, too."""
    (job,) = own("base/ray", "gcs-rocksdb", "study", part="study", without_cluster=True)
    assert job["spec"]["rayClusterSpec"]["gcsFaultToleranceOptions"] == {"backend": "rocksdb"}


def test_a_runtime_class_is_for_gpu_groups_alone(own):
    """All of them, and nothing else is made."""
    made = own("overlays/prod-gpu/cluster", "runtime-class")
    assert len(made) == 1
    classes = {name: pod.get("runtimeClassName") for name, pod in pods_of_groups(made).items()}
    assert classes == {"cpu": None, "gpu-l4": "nvidia", "gpu-l4-spot": "nvidia", "gpu-a100": "nvidia"}


def test_shared_gpus_are_chosen_by_their_label(own):
    """In the one group that shares."""
    made = own("overlays/prod-gpu/cluster", "time-slicing")
    assert len(made) == 1
    sharing = {
        name: "nvidia.com/gpu.sharing-strategy" in pod.get("nodeSelector", {})
        for name, pod in pods_of_groups(made).items()
    }
    assert sharing == {"cpu": False, "gpu-l4": True, "gpu-l4-spot": False, "gpu-a100": False}
    assert pods_of_groups(made)["gpu-l4"]["nodeSelector"]["nvidia.com/gpu.sharing-strategy"] == "time-slicing"


def test_parts_of_a_gpu_are_planned_as_gpus(own):
    """A pod with a seventh of an A100 holds a trial that asks for a GPU."""
    made = own("overlays/local-cpu/cluster", "gpu-a100-mig")
    assert pods_of_groups(made)["gpu-a100-mig"]["containers"][0]["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"
    (cluster,) = made
    job = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 9})
    planned = plan(job, cluster["spec"]["workerGroupSpecs"])
    assert [(group.name, group.pods) for group in planned.groups if group.gpus] == [("gpu-a100-mig", 9)]


def test_a_cloud_identity_is_that_of_driver_and_workers(own):
    """One account for all pods that touch the storage, made with the foundation; workers get no token of Kubernetes."""
    made = own("overlays/prod-gpu/foundation", "s3-identity/account", part="foundation")
    (account,) = (each for each in made if each["metadata"]["name"] == "tunepipe-storage")
    kubernetes_validate.validate(account, "1.34", strict=True)
    (policy,) = (each for each in made if each["metadata"]["name"] == "identity")
    kubernetes_validate.validate(policy, "1.34", strict=True)
    made = own("overlays/prod-gpu/cluster", "s3-identity/pods")
    groups = pods_of_groups(made).values()
    assert {pod["serviceAccountName"] for pod in groups} == {account["metadata"]["name"]}
    assert {pod["automountServiceAccountToken"] for pod in groups} == {False}
    (cluster,) = made
    assert cluster["spec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("part", ["cluster", "study"])
def test_an_overlay_names_images_once(own, part):
    """Its `images` reach the autoscaler's, too, and leave the GPU image apart from the other."""
    text = yaml.safe_dump(own(f"overlays/prod-gpu/{part}", part=part, images={"tunepipe": "registry.lab/tunepipe"}))
    assert "image: tunepipe" not in text
    assert "image: registry.lab/tunepipe:cpu" in text
    assert "image: registry.lab/tunepipe:gpu" in text


@pytest.mark.parametrize("overlay", overlays())
def test_what_groups_may_come_to_is_within_the_quota(overlay):
    """All of an overlay's GPUs at once; a pod beyond the quota would be refused in the middle of a study."""
    (cluster,) = rendered(overlay, "cluster")
    hard = next(each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")["spec"]["hard"]
    limits = [
        (group["maxReplicas"], group["template"]["spec"]["containers"][0]["resources"]["limits"])
        for group in cluster["spec"]["workerGroupSpecs"]
    ]
    assert sum(pods * int(each.get("nvidia.com/gpu", 0)) for pods, each in limits) <= int(
        hard["requests.nvidia.com/gpu"]
    )
