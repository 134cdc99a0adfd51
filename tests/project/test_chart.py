"""The Helm chart with users' values: groups of GPUs in each cloud, and each other value where it counts."""

import json
import re
from typing import Any

import pytest

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.execution.ray.tune_adapter import GAUGES
from tests.manifests import (
    PLATFORM,
    TABLE,
    as_pod,
    charted,
    check_schema,
    groups,
    pod,
    pods,
    refused_labels,
    study,
    templated,
)

SPOT = {
    "gke": {"cloud.google.com/gke-spot"},
    "eks": {"karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType"},
    "eks-auto": {"karpenter.sh/capacity-type"},
    "eks-nodegroup": {"karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType"},
    "aks": {"kubernetes.azure.com/scalesetpriority"},
}
"""The labels by which each cloud marks spot nodes."""

WHOLE = {"cloud.google.com/gke-gpu-sharing-strategy", "cloud.google.com/gke-gpu-partition-size"}
"""The labels of Google's nodes with shared or divided cards."""


def of_cloud(cloud: str) -> list[str]:
    return [gpu for gpu, lines in TABLE["gpus"].items() if TABLE["clouds"][cloud]["gpus"] in lines]


def labels_of(cloud: str, gpu: str, count: int) -> dict[str, Any]:
    """The labels of nodes for pods with some GPUs; none where the cloud has no such nodes."""
    prefix, lines = TABLE["clouds"][cloud]["prefix"], TABLE["gpus"][gpu][TABLE["clouds"][cloud]["gpus"]]
    values = {name: value.get(count) if isinstance(value, dict) else value for name, value in lines.items()}
    return {f"{prefix}{name}": value for name, value in values.items() if value is not None}


def one(cloud: str, **group: Any) -> dict[str, Any]:
    _, found = groups(charted(cloud=cloud, groups=[group])).values()
    return found


def limits(group: dict[str, Any]) -> dict[str, str]:
    return dict(pod(group)["containers"][0]["resources"]["limits"])


def named_labels(spec: dict[str, Any]) -> set[str]:
    return {*spec["nodeSelector"], *re.findall(r"'key': '([^']+)'", str(spec.get("affinity")))}


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("cloud", TABLE["clouds"])
def test_every_gpu_of_a_cloud_has_a_group(cloud, count):
    """Its pods select the cloud's labels alone, tolerate its taints, and have their GPUs and shared memory for Ray."""
    known = [gpu for gpu in of_cloud(cloud) if labels_of(cloud, gpu, count)]
    found = groups(charted(cloud=cloud, groups=[{"gpu": gpu, "count": count} for gpu in known]))
    suffix = f"-x{count}" if count > 1 else ""
    assert list(found) == ["cpu", *(f"gpu-{gpu}{suffix}" for gpu in known)]
    trials = tune_jobs.find("beale").replaced({"resources.gpus": count, "budget.trials": 3})
    for gpu, group in zip(known, list(found.values())[1:], strict=True):
        spec = pod(group)
        assert spec["nodeSelector"] == {**PLATFORM, **labels_of(cloud, gpu, count)}
        assert [(each.pods, each.trials, each.gpus) for each in plan(trials, [group]).groups] == [(3, 1, count)]
        assert refused_labels(spec) == SPOT.get(cloud, set()) | (WHOLE if cloud == "gke" else set())
        assert [each["key"] for each in spec["tolerations"]] == ["nvidia.com/gpu", *(["sku"] if cloud == "aks" else [])]
        cpu, memory, shm = (count * int(each.removesuffix("Gi")) for each in TABLE["gpus"][gpu]["pod"].values())
        assert limits(group) == {
            "cpu": f"{cpu}", "memory": f"{memory}Gi", "nvidia.com/gpu": f"{count}", "ephemeral-storage": "22Gi"
        }  # fmt: skip
        # Ray's object store takes 30% of the memory, and lies on the disk where shared memory is smaller.
        assert shm > 0.3 * memory
        assert {"medium": "Memory", "sizeLimit": f"{shm}Gi"} in [each.get("emptyDir") for each in spec["volumes"]]
        assert spec["containers"][0]["image"].startswith("tunepipe-gpu:")
        check_schema(as_pod(spec))


@pytest.mark.parametrize("cloud", TABLE["clouds"])
def test_only_spot_groups_run_on_spot_nodes(cloud):
    """They end within the notice of their nodes; no pod names the labels of another cloud."""
    objects = charted(cloud=cloud, groups=[{"gpu": "t4"}, {"gpu": "t4", "spot": True, "max": 32}])
    # docs/kubernetes.md makes one from the other.
    assert objects["RayCluster", "tunepipe"]["spec"] == study(objects)["rayClusterSpec"]
    spec = study(objects)
    found = {name: pod(group) for name, group in groups(objects).items()}
    spot = found.pop("gpu-t4-spot")
    plain = found["gpu-t4"]
    found |= {"head": spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]}
    found |= {"submitter": spec["submitterPodTemplate"]["spec"]}
    others = set().union(*SPOT.values()) - SPOT.get(cloud, set())
    for each in found.values():
        assert SPOT.get(cloud, set()) <= refused_labels(each)
    for each in (*found.values(), spot):
        assert not others & named_labels(each)
    added = spot["nodeSelector"].items() - plain["nodeSelector"].items()
    assert len(added) == (0 if cloud == "none" else 1)
    assert {name for name, _ in added} <= SPOT.get(cloud, set())
    assert not SPOT.get(cloud, set()) & refused_labels(spot)
    assert spot["terminationGracePeriodSeconds"] == 15
    assert "TUNEPIPE_SPOT" in str(spot["containers"][0]["env"])
    check_schema(as_pod(spot))


@pytest.mark.parametrize(
    ("cloud", "group", "resource", "label"),
    [
        ("none", {"gpu": "a100", "mig": "1g.10gb"}, "nvidia.com/mig-1g.10gb", "NVIDIA-A100-SXM4-80GB"),
        ("aks", {"gpu": "h100", "mig": "1g.12gb", "spot": True}, "nvidia.com/mig-1g.12gb", "Standard_NC40ads_H100_v5"),
        (
            "none",
            {"gpu": "h100", "mig": "1g.10gb", "migStrategy": "single"},
            "nvidia.com/gpu",
            "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb",
        ),
        ("gke", {"gpu": "h200", "mig": "1g.18gb", "spot": True}, "nvidia.com/gpu", "1g.18gb"),
    ],
)
def test_a_part_of_a_card_has_its_resource_label_and_memory(cloud, group, resource, label):
    found = one(cloud, **group)
    part = TABLE["parts"][group["mig"]]
    assert {name for name in limits(found) if name.startswith("nvidia.com/")} == {resource}
    assert (limits(found)["memory"], found["maxReplicas"]) == (part["memory"], part["max"])
    assert label in pod(found)["nodeSelector"].values()
    assert not refused_labels(pod(found)) & set(pod(found)["nodeSelector"])
    job = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 9})
    assert [each.pods for each in plan(job, [found]).groups] == [min(9, part["max"])]
    hard = charted()["ResourceQuota", "tunepipe"]["spec"]["hard"]
    assert int(hard[f"requests.{resource}"]) >= part["max"]
    check_schema(as_pod(pod(found)))


@pytest.mark.parametrize(
    ("cloud", "more", "labels"),
    [
        ("none", {}, {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED", "nvidia.com/gpu.sharing-strategy": "time-slicing"}),
        ("aks", {"gpu": "t4"}, {"nvidia.com/gpu.sharing-strategy": "time-slicing"}),
        (
            "gke",
            {"sharedClients": 2},
            {"gke-gpu-sharing-strategy": "time-sharing", "gke-max-shared-clients-per-gpu": "2"},
        ),
    ],
)
def test_a_shared_card_selects_nodes_that_share_it(cloud, more, labels):
    found = one(cloud, **{"gpu": "l4", "shared": True, **more})
    selected = {name.removeprefix("cloud.google.com/"): value for name, value in pod(found)["nodeSelector"].items()}
    assert labels.items() <= selected.items()
    assert not refused_labels(pod(found)) & set(pod(found)["nodeSelector"])
    asked = {"cpu": TABLE["shared"]["cpu"], "memory": TABLE["shared"]["memory"], "nvidia.com/gpu": "1"}
    assert asked.items() <= limits(found).items()
    check_schema(as_pod(pod(found)))


def test_images_labels_and_processors_are_those_of_every_pod():
    """Images, labels, annotations, processors, nodes, a namespace like a number, and registry secrets."""
    objects = charted(
        images={"cpu": "lab/cpu:1", "gpu": "lab/gpu@sha256:0"}, groups=[{"gpu": "l4"}], arch="arm64",
        labels={"cost-center": "42"}, podAnnotations={"sidecar.istio.io/inject": "false"}, namespace={"name": "123"},
        nodeSelector={"pool": "cpu"}, tolerations=[{"key": "lab", "operator": "Exists"}], runtimeClass="nvidia",
        imagePullSecrets=[{"name": "lab"}], monitoring={"enabled": True, "labels": {"release": "stack"}}, idleSeconds=7,
        kueue={"enabled": True, "clusterQueue": "all", "queue": "team-a"}, objectStore={"port": 9000}, gcsRocksdb=True,
        study={"enabled": True, "startDeadlineSeconds": 600},
    )  # fmt: skip
    for (kind, _), each in objects.items():
        assert each["metadata"]["labels"]["cost-center"] == "42"
        assert each["metadata"].get("namespace", "123") == "123"
        for spec in pods(each):
            assert spec["nodeSelector"]["kubernetes.io/arch"] == "arm64"
            images = {container["image"] for container in spec["containers"]}
            assert images <= {"lab/cpu:1", "lab/gpu@sha256:0"}
        if kind == "ServiceAccount":
            assert each["imagePullSecrets"] == [{"name": "lab"}]
    spec = study(objects)
    templates = [each["template"] for each in (*groups(objects).values(), spec["rayClusterSpec"]["headGroupSpec"])]
    templates += [spec["submitterPodTemplate"], objects["Deployment", "page"]["spec"]["template"]]
    for template in templates:
        assert template["metadata"]["labels"]["cost-center"] == "42"
        assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        gpus = "lab/gpu" in str(template)
        assert template["spec"]["nodeSelector"].get("pool") == (None if gpus else "cpu")
        assert (template["spec"].get("runtimeClassName") == "nvidia") is gpus
        assert ({"key": "lab", "operator": "Exists"} in template["spec"]["tolerations"]) is not gpus
    assert templates[2]["spec"]["imagePullSecrets"] == [{"name": "lab"}]
    assert {each["idleTimeoutSeconds"] for each in groups(objects).values()} == {7}
    assert (spec["preRunningDeadlineSeconds"], spec["activeDeadlineSeconds"]) == (600, 1209600)
    assert objects["RayCluster", "tunepipe"]["spec"]["gcsFaultToleranceOptions"] == {"backend": "rocksdb"}
    assert objects["RayCluster", "tunepipe"]["spec"]["workerGroupSpecs"] == list(groups(objects).values())
    assert objects["PodMonitor", "tunepipe"]["metadata"]["labels"]["release"] == "stack"
    (binding,) = (each for (kind, _), each in objects.items() if kind == "RoleBinding")
    assert [each["namespace"] for each in binding["subjects"]] == ["123"]


def test_networks_open_what_the_values_name():
    objects = charted(
        cloud="eks-auto", dns={"servers": ["10.96.0.10/32"]}, https={"networks": ["10.0.0.0/8"]},
        objectStore={"port": 9000}, operator={"namespaces": ["ray"]},
        monitoring={"enabled": True, "namespace": "observability"},
    )  # fmt: skip
    for (kind, _), each in objects.items():
        if kind == "NetworkPolicy":
            check_schema(each)
    policies = {name: each["spec"] for (kind, name), each in objects.items() if kind == "NetworkPolicy"}
    asked = {each["ipBlock"]["cidr"] for each in policies["dns"]["egress"][0]["to"] if "ipBlock" in each}
    known = {"169.254.20.10/32", "169.254.25.10/32", "169.254.10.10/31", "169.254.169.254/32"}
    # The name server of EKS Auto Mode is no pod.
    assert asked == {*known, "10.100.0.10/32", "172.20.0.10/32", "10.96.0.10/32"}
    assert policies["https"]["egress"] == [
        {"ports": [{"protocol": "TCP", "port": 443}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    ]
    assert policies["s3"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 9000}]}]
    (peer,) = policies["operator"]["ingress"][0]["from"]
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["ray"]
    (peer,) = policies["metrics"]["ingress"][0]["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}


def test_the_live_page_shows_only_and_asks_for_its_token():
    page = charted()["Deployment", "page"]
    (container,) = page["spec"]["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {"studies": True, "tmp": False}
    (token,) = (each for each in container["env"] if each["name"] == "TUNEPIPE_TOKEN")
    assert token["valueFrom"] == {"secretKeyRef": {"name": "tunepipe-page", "key": "token"}}
    assert "--control" not in container["args"]
    assert {"readinessProbe", "livenessProbe"} <= set(container)
    check_schema(page)


@pytest.mark.parametrize(
    ("annotations", "servers"),
    [
        ({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}, ["169.254.170.23/32"]),
        ({"azure.workload.identity/client-id": "0"}, []),
    ],
)
def test_a_clouds_identity_is_that_of_driver_workers_and_page(annotations, servers):
    """The submitter has none; every container has the keys of an optional Secret; Azure's webhook finds its label."""
    objects = charted(
        groups=[{"gpu": "l4"}], identity={"enabled": True, "annotations": annotations, "servers": servers}
    )
    assert objects["ServiceAccount", "tunepipe-storage"]["metadata"]["annotations"] == annotations
    spec = study(objects)
    templates = [each["template"] for each in (*groups(objects).values(), spec["rayClusterSpec"]["headGroupSpec"])]
    for template in [*templates, objects["Deployment", "page"]["spec"]["template"]]:
        assert template["spec"]["serviceAccountName"] == "tunepipe-storage"
        assert template["spec"]["automountServiceAccountToken"] is False
        labelled = template["metadata"]["labels"].get("azure.workload.identity/use") == "true"
        assert labelled is not bool(servers)
        (container,) = template["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "tunepipe-s3", "optional": True}}]
    assert spec["submitterPodTemplate"]["spec"]["serviceAccountName"] == "tunepipe-worker"
    policy = objects.get(("NetworkPolicy", "identity"))
    opened = [each["ipBlock"]["cidr"] for each in policy["spec"]["egress"][0]["to"]] if policy else []
    assert opened == servers


@pytest.mark.parametrize("page", [True, False])
def test_certificates_reach_what_uses_the_storage(page):
    objects = charted(groups=[{"gpu": "l4"}], caBundle="tunepipe-ca", page={"enabled": page})
    submitter = study(objects)["submitterPodTemplate"]["spec"]
    found = [each for each in pods(list(objects.values())) if each != submitter]
    assert len(found) == 6 + page
    for spec in found:
        (trusted,) = (each["value"] for each in spec["containers"][0]["env"] if each["name"] == "SSL_CERT_FILE")
        mounts = {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
        assert trusted == f"{mounts['certificates']}/ca.crt"
        assert {"name": "certificates", "configMap": {"name": "tunepipe-ca"}} in spec["volumes"]
        check_schema(as_pod(spec))


def test_studies_in_object_stores_need_no_volume():
    objects = charted(groups=[{"gpu": "l4"}], storage={"volume": False})
    assert "claimName" not in str(objects)
    assert "PersistentVolumeClaim" not in {kind for kind, _ in objects}
    for spec in pods(list(objects.values())):
        # Kubelets mount it read-only, so that the folder is not taken for a storage.
        volumes = [each for each in spec["volumes"] if each["name"] == "studies"]
        assert volumes in ([], [{"name": "studies", "projected": {"sources": []}}])
        check_schema(as_pod(spec))


def test_openshift_chooses_every_user():
    objects = charted(groups=[{"gpu": "l4"}], openshift=True)
    for spec in pods(list(objects.values())):
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert not any("runAsUser" in container["securityContext"] for container in spec["containers"])
    cluster = study(objects)["rayClusterSpec"]
    assert "runAsUser" not in cluster["autoscalerOptions"]["securityContext"]
    # The autoscaler has a token, and the user of the head's other container.
    assert "shareProcessNamespace" not in cluster["headGroupSpec"]["template"]["spec"]


def test_kueue_queues_a_study():
    """Kueue admits no autoscaling; a study has no rights to the API server, and its own priorities."""
    objects = charted(kueue={"enabled": True, "queue": "team-a", "clusterQueue": "all"}, cluster={"enabled": True})
    labels = objects["RayJob", "study"]["metadata"]["labels"]
    assert {name: value for name, value in labels.items() if name.startswith("kueue")} == {
        "kueue.x-k8s.io/queue-name": "team-a", "kueue.x-k8s.io/priority-class": "tunepipe"
    }  # fmt: skip
    cluster = study(objects)["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is False
    assert cluster["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == "tunepipe-worker"
    assert objects["RayCluster", "tunepipe"]["spec"]["enableInTreeAutoscaling"] is True
    assert objects["LocalQueue", "team-a"]["spec"] == {"clusterQueue": "all"}
    classes = {name: each["value"] for (kind, name), each in objects.items() if kind == "WorkloadPriorityClass"}
    assert classes == {"tunepipe": 0, "tunepipe-low": -100, "tunepipe-high": 100}
    without = charted(kueue={"enabled": True, "priorityClasses": False})
    assert not {"LocalQueue", "WorkloadPriorityClass"} & {kind for kind, _ in without}


def test_an_uninstallation_keeps_studies():
    kept = {
        kind
        for (kind, _), each in charted().items()
        if each["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"}
    }
    assert kept == {"Namespace", "PersistentVolumeClaim"}


def test_each_namespace_has_its_own_dashboard():
    """Grafana takes dashboards of one identity or title for one, and identities of 40 characters at most."""
    made = [charted(monitoring={"enabled": True}, namespace={"name": name}) for name in ("a", "b" * 63)]
    first, second = (json.loads(each["ConfigMap", "tunepipe-dashboard"]["data"]["dashboard.json"]) for each in made)
    assert first["uid"] != second["uid"]
    assert first["title"] != second["title"]
    assert max(len(each["uid"]) for each in (first, second)) <= 40
    asked = [target["expr"] for panel in first["panels"] for target in panel["targets"]]
    assert all(expr.count('namespace="a"') == expr.count("ray_tunepipe") > 0 for expr in asked)


def test_alerts_use_published_metrics():
    """That of a study without progress requires its metrics of now and of an hour ago: a study may have ended."""
    rules = charted(monitoring={"enabled": True})["PrometheusRule", "tunepipe"]["spec"]["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"ray_(tunepipe_\w+)", rule["expr"])}
    assert used
    assert used <= set(GAUGES)
    assert [each.split(" (")[-1] for each in rules[0]["expr"].split(" and ")] == [
        "delta(ray_tunepipe_epochs[1h])) == 0",
        "ray_tunepipe_epochs) >= 0",
        "ray_tunepipe_epochs offset 1h) >= 0",
    ]
    assert "{{ $labels.study }}" in rules[0]["annotations"]["summary"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"overlay": "dev"}, "additional properties 'overlay' not allowed"),
        ({"cloud": "gcp"}, "value must be one of 'none', 'gke'"),
        ({"groups": [{"gpu": "l5"}]}, "There is no group with the GPU l5 for the cloud none"),
        ({"groups": [{"gpu": "l4"}, {"gpu": "l4"}]}, "Two groups have the name gpu-l4"),
        ({"groups": [{"gpu": "l4", "shared": True}], "cloud": "eks-auto"}, "no groups with shared cards"),
        ({"groups": [{"gpu": "t4", "count": 8}], "cloud": "aks"}, "no group with 8 GPUs t4 in a pod for the cloud aks"),
        ({"groups": [{"gpu": "l4", "count": 2, "mig": "1g.10gb"}]}, "at '/groups/0/mig': false schema"),
        ({"groups": [{"name": "gpu-x"}]}, "missing property 'nodeSelector'"),
        ({"namespace": {"name": "Lab"}}, "does not match pattern"),
    ],
)
def test_values_that_cannot_be_are_refused(values, message):
    made = templated(values)
    assert made.returncode != 0
    assert message in made.stderr
