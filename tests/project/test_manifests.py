"""The manifests in k8s/: what Kustomize makes of every overlay, held to Kubernetes' schemas and to good practice."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.cluster.rayjob import overlays, rendered, study_manifests
from pipeline.errors import ClusterError
from pipeline.execution.ray.gauges import GAUGES

GOLDENS = Path(__file__).with_name("rendered")
PARTS = ("foundation", "cluster", "study")
ALL = [(overlay, part) for overlay in overlays() for part in PARTS]
RAY = {"RayCluster", "RayJob"}
OPERATORS = RAY | {"PodMonitor", "PrometheusRule"}


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


def ray_cluster(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one RayCluster among objects."""
    (found,) = (each for each in objects if each["kind"] == "RayCluster")
    return found


@pytest.mark.parametrize(("overlay", "part"), ALL)
def test_an_overlay_equals_its_golden_file(overlay, part):
    """An overlay equals its golden file, which UPDATE_GOLDENS=1 writes again for review."""
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
def test_every_pod_is_allowed_in_a_restricted_namespace(overlay, part):
    """Every pod has no root, no path or namespace of the host, a seccomp profile, and rules for its node."""
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
    cluster = ray_cluster(rendered(overlay, "cluster"))
    groups = [each for each in cluster["spec"]["workerGroupSpecs"] if each["groupName"].startswith("gpu")]
    assert groups
    assert cluster["spec"]["autoscalerOptions"]["version"] == "v2"
    for group in groups:
        pod = group["template"]["spec"]
        resources = pod["containers"][0]["resources"]
        requests, limits = (
            {name: amount for name, amount in resources[kind].items() if name != "ephemeral-storage"}
            for kind in ("requests", "limits")
        )
        assert requests == limits
        assert int(resources["limits"]["nvidia.com/gpu"]) >= 1
        assert "nvidia.com/gpu" in [each["key"] for each in pod["tolerations"]]
        assert pod["nodeSelector"]
        assert (group["minReplicas"], group["replicas"]) == (0, 0)
        assert group["idleTimeoutSeconds"] > 0
        spot = group["groupName"].endswith("spot")
        # Spot nodes leave pods 15 s; elsewhere Ray drains a node for 30 s.
        assert pod["terminationGracePeriodSeconds"] == (15 if spot else 90)
        assert ("sleep" in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]) is not spot
        assert ("TUNEPIPE_CHECKPOINT_SECONDS" in str(pod["containers"][0]["env"])) is spot
        assert any(each.get("emptyDir", {}).get("medium") == "Memory" for each in pod["volumes"])


@pytest.mark.parametrize("overlay", overlays())
def test_a_head_trains_nothing_and_a_study_continues_itself(overlay):
    """A head has no CPUs for trials, and the entrypoint of a RayJob with retries resumes the study."""
    (job,) = rendered(overlay, "study")
    spec = job["spec"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["submitterPodTemplate"]["spec"]["containers"]
    assert spec["backoffLimit"] > 0
    assert "--resume" in spec["entrypoint"]
    assert spec["rayClusterSpec"] == ray_cluster(rendered(overlay, "cluster"))["spec"]


@pytest.mark.parametrize("overlay", overlays())
def test_a_head_ends_gracefully_on_a_lasting_node(overlay):
    """A head ends its drivers before Ray stops and runs on no spot node."""
    cluster = ray_cluster(rendered(overlay, "cluster"))
    template = cluster["spec"]["headGroupSpec"]["template"]
    pod = template["spec"]
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
    before, _, after = command.partition("; ")
    assert before.startswith("python -m pipeline.cluster.stop_drivers ")
    assert after.startswith("ray stop ")
    assert int(before.split()[-1]) < pod["terminationGracePeriodSeconds"]
    # Else neither Ray's shell nor its autoscaler would end on a signal.
    assert pod["shareProcessNamespace"] is True
    assert template["metadata"]["annotations"] == {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {each["operator"] for each in term["matchExpressions"]} == {"NotIn"}
    avoided = {each["key"] for each in term["matchExpressions"]}
    assert {"cloud.google.com/gke-spot", "karpenter.sh/capacity-type"} <= avoided


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_pod_asks_for_disk_and_has_room_for_its_volumes(overlay, part):
    """A request, so that the scheduler counts the node's disk; a limit above what its volumes on it may hold."""
    gibibytes = {"Gi": 1.0, "Mi": 1 / 1024}
    for pod in (pod for each in rendered(overlay, part) for pod in pods(each)):
        volumes = [each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each]
        held = sum(float(each["sizeLimit"][:-2]) for each in volumes if each.get("medium") != "Memory")
        (container,) = pod["containers"]
        request, limit = (
            float(text[:-2]) * gibibytes[text[-2:]]
            for text in (container["resources"][kind]["ephemeral-storage"] for kind in ("requests", "limits"))
        )
        assert 0 < request < limit
        assert limit >= held


def test_every_file_of_the_base_and_of_the_components_is_used():
    """Every file of the base, the components and the overlays is named by a kustomization."""
    home = Path(__file__).parents[2] / "k8s"
    files = [path for part in ("base", "components", "overlays") for path in (home / part).rglob("*.yaml")]
    for folder in {path.parent for path in files}:
        kustomization = (folder / "kustomization.yaml").read_text()
        unnamed = [each.name for each in folder.glob("*.yaml") if each.name not in ("kustomization.yaml",)]
        assert [name for name in unnamed if name not in kustomization] == []


HOME = Path(__file__).parents[2] / "k8s"


def test_a_patch_file_deletes_one_object():
    """Kustomize 5.5, which kubectl 1.32 has within it, crashes on a file that deletes two."""
    files = [*HOME.rglob("*.yaml"), *(HOME.parent / "tests/kubernetes/overlay").rglob("*.yaml")]
    patches = [file.read_text() for file in files if "$patch: delete" in file.read_text()]
    assert len(patches) >= 8
    assert [text for text in patches if text.count("$patch: delete") > 1] == []


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
            for name in ("no-cluster.yaml", "no-disruption-budget.yaml"):
                (folder / name).write_text((HOME / "overlays/dev/study" / name).read_text())
                kustomization.setdefault("patches", []).append({"path": name})
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return rendered(str(tmp_path), part)

    return made


def pods_of_groups(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod of each group of the one RayCluster."""
    return {each["groupName"]: each["template"]["spec"] for each in ray_cluster(objects)["spec"]["workerGroupSpecs"]}


def scaled_up(group: dict[str, Any]) -> dict[str, Any]:
    """What Ray's autoscaler thinks that a pod of a group has: by its own code, which reads names of resources."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _node_type_from_group_spec

    found: dict[str, Any] = _node_type_from_group_spec(group, is_head=False)["resources"]
    return found


def test_kueue_queues_a_study(own, tmp_path):
    """The RayJob names its queue; Kueue takes none whose cluster autoscales, so that all of the plan is asked for."""
    (job,) = own("overlays/dev/study", "kueue", part="study")
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is False
    tuned = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 3})
    made = study_manifests(tuned, "beale", str(tmp_path), "/studies", [])
    replicas = {each["groupName"]: each["replicas"] for each in made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    assert replicas == {"cpu": 0, "gpu-l4": 3}
    labels = {name: value for name, value in made.job["metadata"]["labels"].items() if name.startswith("kueue")}
    assert labels == {"kueue.x-k8s.io/queue-name": "tunepipe", "kueue.x-k8s.io/priority-class": "tunepipe"}
    assert "the cluster has 3 GPUs from start to end:" in str(made.plan)
    assert "autoscaling" not in str(made.plan)
    high = study_manifests(tuned, "beale", str(tmp_path), "/studies", [], priority="tunepipe-high").job
    assert high["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "tunepipe-high"
    with pytest.raises(ClusterError, match=r"--priority is for clusters with Kueue.*'dev' has no queue"):
        study_manifests(tuned, "beale", "dev", "/studies", [], priority="tunepipe-high")


def test_a_study_in_a_queue_releases_its_pods_without_api_rights(own):
    """A queued study has no autoscaler, no rights to the API server, and a cloud identity only for its head."""
    (job,) = own("overlays/dev/study", "kueue", part="study")
    assert job["spec"]["ttlSecondsAfterFinished"] == 0
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert head["automountServiceAccountToken"] is False
    assert head["serviceAccountName"] == "tunepipe-worker"
    (job,) = own("base/ray", "s3-identity/pods", "study", "kueue", part="study", without_cluster=True)
    assert (
        job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == "tunepipe-storage"
    )


def test_priorities_of_studies_are_not_those_of_pods(own):
    """A study has the priority of other workloads, and may have less or more."""
    made = own("overlays/prod-gpu/foundation", "kueue/priorities", part="foundation")
    classes = {each["metadata"]["name"]: each["value"] for each in made if each["kind"] == "WorkloadPriorityClass"}
    assert classes == {"tunepipe": 0, "tunepipe-low": -100, "tunepipe-high": 100}


@pytest.mark.parametrize("overlay", overlays())
def test_a_study_has_a_deadline(overlay):
    """A study's deadline is two weeks, its time in a queue included."""
    (job,) = rendered(overlay, "study")
    assert job["spec"]["activeDeadlineSeconds"] == 14 * 24 * 3600


def test_the_state_of_the_head_can_outlive_it(own):
    """The RayJob's cluster has it, too."""
    (job,) = own("base/ray", "gcs-rocksdb", "study", part="study", without_cluster=True)
    assert job["spec"]["rayClusterSpec"]["gcsFaultToleranceOptions"] == {"backend": "rocksdb"}


def test_a_runtime_class_is_only_for_gpu_groups(own):
    """A runtime class is set for all GPU groups and for nothing else."""
    made = own("overlays/prod-gpu/cluster", "runtime-class")
    assert {each["kind"] for each in made} == {"RayCluster", "PodDisruptionBudget"}
    classes = {name: pod.get("runtimeClassName") for name, pod in pods_of_groups(made).items()}
    assert classes == {"cpu": None, "gpu-l4": "nvidia", "gpu-l4-spot": "nvidia", "gpu-a100": "nvidia"}


def test_shared_gpus_are_chosen_by_their_label(own):
    """Only the group that shares GPUs selects nodes by the label for shared GPUs."""
    made = own("base/ray", "gpu-a100", "gpu-l4", "time-slicing")
    assert {each["kind"] for each in made} == {"RayCluster", "PodDisruptionBudget"}
    assert {name: pod.get("nodeSelector") for name, pod in pods_of_groups(made).items()} == {
        "cpu": None,
        "gpu-l4": {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.sharing-strategy": "time-slicing"},
        "gpu-a100": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
    }


GROUPS = sorted(
    path.parent.relative_to(HOME / "components").as_posix() for path in HOME.glob("components/**/gpu-*/patch.yaml")
)


@pytest.mark.parametrize("component", GROUPS)
def test_a_group_is_chosen_by_the_labels_of_one_cloud(own, component):
    """Labels of two vendors would fit no node; each group is a whole one, which Ray counts GPUs for."""
    cluster = ray_cluster(own("base/ray", component))
    group = cluster["spec"]["workerGroupSpecs"][1]
    pod = group["template"]["spec"]
    vendor = {"gke": "cloud.google.com/", "eks": "karpenter."}.get(component.partition("/")[0], "nvidia.com/")
    assert pod["nodeSelector"]
    assert all(label.startswith(vendor) for label in pod["nodeSelector"])
    assert group["groupName"] == component.rpartition("/")[2]
    limits = pod["containers"][0]["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == "1" or group["rayStartParams"] == {"num-gpus": "1"}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}, "1.34", strict=True
    )


def test_spot_nodes_of_azure_have_a_label_and_a_taint(own):
    """The component for Azure's spot nodes, after a group for spot nodes, adds their label and taint."""
    cluster = ray_cluster(own("base/ray", "gpu-a100", "spot", "aks/spot"))
    pod = cluster["spec"]["workerGroupSpecs"][1]["template"]["spec"]
    assert pod["nodeSelector"] == {
        "kubernetes.azure.com/scalesetpriority": "spot",
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    }
    assert "kubernetes.azure.com/scalesetpriority" in [each["key"] for each in pod["tolerations"]]
    assert pod["terminationGracePeriodSeconds"] == 15


@pytest.mark.parametrize(
    ("component", "resource"), [("gpu-a100-mig", "nvidia.com/mig-1g.10gb"), ("gke/gpu-a100-mig", "nvidia.com/gpu")]
)
def test_parts_of_a_gpu_are_planned_as_gpus(own, component, resource):
    """A pod with a seventh of an A100 holds a trial that asks for a GPU, and Ray's autoscaler counts it as one."""
    cluster = ray_cluster(own("overlays/local-cpu/cluster", component))
    group = cluster["spec"]["workerGroupSpecs"][1]
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"][resource] == "1"
    assert scaled_up(group)["GPU"] == 1
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
    cluster = ray_cluster(made)
    assert cluster["spec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("part", ["cluster", "study"])
def test_an_overlay_names_images_once(own, part):
    """The `images` of an overlay apply to the autoscaler too and keep the GPU image separate."""
    text = yaml.safe_dump(own(f"overlays/prod-gpu/{part}", part=part, images={"tunepipe": "registry.lab/tunepipe"}))
    assert "image: tunepipe" not in text
    assert "image: registry.lab/tunepipe:cpu" in text
    assert "image: registry.lab/tunepipe:gpu" in text


@pytest.mark.parametrize("overlay", overlays())
def test_the_maximum_of_all_groups_is_within_the_quota(overlay):
    """The maximum of all groups of an overlay, all GPUs included, is within its quota."""
    cluster = ray_cluster(rendered(overlay, "cluster"))
    hard = next(each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")["spec"]["hard"]
    limits = [
        (group["maxReplicas"], group["template"]["spec"]["containers"][0]["resources"]["limits"])
        for group in cluster["spec"]["workerGroupSpecs"]
    ]
    assert sum(pods * int(each.get("nvidia.com/gpu", 0)) for pods, each in limits) <= int(
        hard["requests.nvidia.com/gpu"]
    )


@pytest.mark.parametrize("overlay", overlays())
def test_only_the_operator_reaches_a_dashboard(overlay):
    """Only pods of the operator in its namespace reach port 8265, because its users can run code."""
    policies = [each["spec"] for each in rendered(overlay, "foundation") if each["kind"] == "NetworkPolicy"]
    opened = [
        rule
        for spec in policies
        for rule in spec.get("ingress", [])
        if {"protocol": "TCP", "port": 8265} in rule.get("ports", [])
    ]
    (peer,) = (peer for rule in opened for peer in rule["from"])
    (namespaces,) = peer["namespaceSelector"]["matchExpressions"]
    assert namespaces["key"] == "kubernetes.io/metadata.name"
    assert "kuberay-operator" in namespaces["values"]
    assert peer["podSelector"]["matchExpressions"]


@pytest.mark.parametrize("overlay", overlays())
def test_no_pod_of_a_study_puts_out_another(overlay):
    """Priorities decide who is put out last, not whom a study may put out."""
    classes = [each for each in rendered(overlay, "foundation") if each["kind"] == "PriorityClass"]
    assert {each["preemptionPolicy"] for each in classes} == {"Never"}


@pytest.mark.parametrize("overlay", overlays())
def test_a_disruption_budget_is_for_one_cluster(overlay):
    """The disruption budget belongs to the interactive cluster and is removed with it."""
    (budget,) = (each for each in rendered(overlay, "cluster") if each["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
    name = ray_cluster(rendered(overlay, "cluster"))["metadata"]["name"]
    assert budget["spec"]["selector"]["matchLabels"] == {"ray.io/cluster": name, "ray.io/node-type": "head"}
    others = [each["kind"] for part in ("foundation", "study") for each in rendered(overlay, part)]
    assert "PodDisruptionBudget" not in others


@pytest.mark.parametrize("overlay", overlays())
def test_a_dashboard_requires_a_token(overlay):
    """A dashboard requires a token, also on one machine."""
    assert ray_cluster(rendered(overlay, "cluster"))["spec"]["authOptions"] == {"mode": "token"}


def test_an_object_store_of_ones_own(own):
    """Keys from a Secret, if there is one, in every pod that writes; a way to its port."""
    cluster = ray_cluster(own("overlays/prod-gpu/cluster"))["spec"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        (container,) = group["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "tunepipe-s3", "optional": True}}]
    made = own("overlays/prod-gpu/foundation", "s3-keys", part="foundation")
    (policy,) = (each for each in made if each["metadata"]["name"] == "s3")
    kubernetes_validate.validate(policy, "1.34", strict=True)


def test_a_registry_with_a_password(own):
    """Workers get the registry's secret from their account, and the head from its pod."""
    made = own("overlays/prod-gpu/foundation", "pull-secret", part="foundation")
    accounts = {each["metadata"]["name"]: each for each in made if each["kind"] == "ServiceAccount"}
    assert accounts["tunepipe-worker"]["imagePullSecrets"] == [{"name": "tunepipe-registry"}]
    head = ray_cluster(own("overlays/prod-gpu/cluster", "pull-secret/pods"))["spec"]["headGroupSpec"]["template"][
        "spec"
    ]
    assert head["imagePullSecrets"] == [{"name": "tunepipe-registry"}]


def test_alerts_use_published_metrics():
    """Every alert uses metrics that a driver publishes."""
    (rules,) = (each for each in rendered("prod-gpu", "foundation") if each["kind"] == "PrometheusRule")
    used = {
        name
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        for name in re.findall(r"ray_(tunepipe_\w+)", rule["expr"])
    }
    assert used
    assert used <= set(GAUGES)


def test_the_live_page_can_change_nothing_and_asks_for_its_token(own):
    """Beside a cluster: non-root, a read-only root and volume, a token from a Secret, and probes that need none."""
    (deployment,) = (each for each in own("overlays/dev/cluster", "page") if each["kind"] == "Deployment")
    kubernetes_validate.validate(deployment, "1.34", strict=True)
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    assert {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]} == {
        "studies": True, "tmp": False
    }  # fmt: skip
    (token,) = (each for each in container["env"] if each["name"] == "TUNEPIPE_TOKEN")
    assert token["valueFrom"] == {"secretKeyRef": {"name": "tunepipe-page", "key": "token"}}
    assert "--control" not in container["args"]
    assert "tcpSocket" in container["readinessProbe"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
