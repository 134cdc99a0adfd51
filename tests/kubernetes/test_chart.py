"""The Helm chart, rendered by Helm and checked by a real Kubernetes."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.cluster.overlays import overlays, rendered
from scripts.helm_chart import CHART, KEPT, PARTS
from tests.kubernetes.testbed.build import build_helm
from tests.kubernetes.testbed.control_plane import kubectl
from tests.project.manifests import PLATFORM, with_components

SKU = {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def helm() -> Path:
    """The path of Helm."""
    return build_helm()


def _template(helm: Path, *values: str) -> subprocess.CompletedProcess[str]:
    options = [word for value in values for word in ("--set", value)]
    # A Helm built from its module does not know which Kubernetes it was made for.
    command = [helm, "template", "tunepipe", CHART, "--kube-version", "1.34.0", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", PARTS)
def test_the_charts_objects_are_those_of_an_overlay(helm, overlay, part):
    """Each part of the chart has the overlay's objects, with those for Prometheus by a value; Helm keeps two."""
    enabled = [f"{name}.enabled={str(name == part).lower()}" for name in PARTS]
    monitored = any(each["kind"] == "PodMonitor" for each in rendered(overlay, part))
    enabled.append(f"monitoring.enabled={str(monitored).lower()}")
    made = _template(helm, f"overlay={overlay}", *enabled)
    assert made.returncode == 0, made.stderr
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made.stdout) if each}
    kept = [each["metadata"].pop("annotations") for (kind, _), each in objects.items() if kind in KEPT]
    assert kept == [{"helm.sh/resource-policy": "keep"}] * (len(KEPT) if part == "foundation" else 0)
    assert objects == {(each["kind"], each["metadata"]["name"]): each for each in rendered(overlay, part)}


def test_values_reach_every_object(helm):
    """The namespace, images and storage of a chart's values replace those of the overlays in every object."""
    made = _template(
        helm, "namespace.name=research", "images.cpu=here/cpu:1", "images.gpu=here/gpu:1", "storage.className=fast",
        "storage.size=7Gi", "cluster.enabled=true",
    )  # fmt: skip
    objects = [each for each in yaml.safe_load_all(made.stdout) if each]
    assert {each["metadata"].get("namespace", "research") for each in objects} == {"research"}
    assert "tunepipe-cpu:" not in made.stdout
    assert "tunepipe-gpu:" not in made.stdout
    (claim,) = [each["spec"] for each in objects if each["kind"] == "PersistentVolumeClaim"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "7Gi")


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        ("storage.className=null", {}),
        ("storage.className=", {"storageClassName": ""}),
        ("storage.volumeName=nfs-1", {"volumeName": "nfs-1"}),
        ("storage.accessModes={ReadWriteOnce}", {"accessModes": ["ReadWriteOnce"]}),
        ("storage.create=false", None),
    ],
)
def test_values_of_a_volume_that_exists(helm, value, claim):
    """The claim has no class, an empty one, a volume's name and other modes by values, and may be left out."""
    made = _template(helm, value)
    assert made.returncode == 0, made.stderr
    claims = [each for each in yaml.safe_load_all(made.stdout) if each and each["kind"] == "PersistentVolumeClaim"]
    modes = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100Gi"}}}
    assert [each["spec"] for each in claims] == ([] if claim is None else [modes | claim])


def test_a_value_chooses_nodes_for_pods_without_gpus(helm):
    """The head and the pods without GPUs select nodes by the value's labels, and groups of GPUs by their own."""
    made = _template(helm, "cluster.enabled=true", r"cluster.nodeSelector.kubernetes\.io/arch=arm64")
    (cluster,) = (each for each in yaml.safe_load_all(made.stdout) if each and each["kind"] == "RayCluster")
    spec = cluster["spec"]
    processors = {
        each.get("groupName", "head"): each["template"]["spec"]["nodeSelector"]["kubernetes.io/arch"]
        for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])
    }
    assert {name: each for name, each in processors.items() if each != "amd64"} == {"head": "arm64", "cpu": "arm64"}


def test_values_of_an_owner_of_one_namespace(helm):
    """Priority classes and the quota can be left out; values name the operator, registry secrets and object store."""
    made = _template(
        helm, "priorityClasses.create=false", "quota.create=false", "operator.namespaces={ray}",
        "imagePullSecrets[0].name=lab", "objectStore.port=9000", "cluster.enabled=true",
    )  # fmt: skip
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made.stdout) if each}
    assert not {"PriorityClass", "ResourceQuota", "LimitRange"} & {kind for kind, _ in objects}
    (allowed,) = objects["NetworkPolicy", "operator"]["spec"]["ingress"][0]["from"]
    assert allowed["namespaceSelector"]["matchExpressions"][0]["values"] == ["ray"]
    secrets = [each["imagePullSecrets"] for (kind, _), each in objects.items() if kind == "ServiceAccount"]
    secrets.append(objects["RayCluster", "tunepipe"]["spec"]["headGroupSpec"]["template"]["spec"]["imagePullSecrets"])
    assert secrets == [[{"name": "lab"}]] * 3
    store = yaml.safe_load((CHART.parent / "components/s3-keys/network-s3.yaml").read_text())
    assert objects["NetworkPolicy", "s3"] == store


def test_values_name_other_name_servers(helm, tmp_path):
    """With the networks of EKS Auto Mode's name server as a value, the policy for names is that of its component."""
    made = _template(helm, "dns.servers={10.100.0.10/32,172.20.0.10/32}")
    assert made.returncode == 0, made.stderr
    (policy,) = (each for each in yaml.safe_load_all(made.stdout) if each and each["metadata"]["name"] == "dns")
    component = with_components(tmp_path, "overlays/prod-gpu/foundation", "eks-auto/dns", part="foundation")
    assert policy == next(each for each in component if each["metadata"]["name"] == "dns")


def test_values_name_the_networks_of_https(helm):
    """With networks as a value, pods reach port 443 only there; without, everywhere."""
    ports = [{"protocol": "TCP", "port": 443}]
    for values, rule in (
        ((), {"ports": ports}),
        (("https.networks={10.0.0.0/8}",), {"ports": ports, "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
    ):
        made = _template(helm, *values)
        objects = [each for each in yaml.safe_load_all(made.stdout) if each]
        (policy,) = (each["spec"] for each in objects if each["metadata"]["name"] == "https")
        assert policy["egress"] == [rule]


def test_labels_of_values_reach_every_object_and_pod(helm):
    """Labels of the values are on each object and on the pods of the shared cluster, beside those that select them."""
    made = _template(
        helm, "labels.cost-center=a", "monitoring.enabled=true", "monitoring.labels.release=stack",
        "cluster.enabled=true", "objectStore.port=9000", "kueue.queue.create=true", "kueue.priorityClasses.create=true",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made.stdout) if each}
    spec = objects["RayCluster", "tunepipe"]["spec"]
    pods = [each["template"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    for each in (*objects.values(), *pods):
        labels = each["metadata"]["labels"]
        assert (labels["app.kubernetes.io/part-of"], labels["cost-center"]) == ("tunepipe", "a")
    assert objects["PodMonitor", "tunepipe"]["metadata"]["labels"]["release"] == "stack"


@pytest.mark.parametrize("name", ["123", "true", "null", "a" * 63])
def test_a_namespace_is_a_name_whatever_it_looks_like(helm, name):
    """A namespace that YAML would read as a number or a truth value is a text in every object."""
    command = [helm, "template", "tunepipe", CHART, "--kube-version", "1.34.0", "--set", "cluster.enabled=true"]
    made = subprocess.run(
        [*command, "--set-string", f"namespace.name={name}"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    objects = [each for each in yaml.safe_load_all(made.stdout) if each]
    assert {each["metadata"].get("namespace", name) for each in objects} == {name}
    (namespace,) = (each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["name"] == name
    (binding,) = (each for each in objects if each["kind"] == "RoleBinding")
    assert [each["namespace"] for each in binding["subjects"]] == [name]


def test_components_are_values(helm, tmp_path):
    """The objects for Prometheus and Kueue are those of their components, with the names and labels of the values."""
    values = {
        "overlay": "dev",
        "monitoring": {"enabled": True, "namespace": "observability", "labels": {"release": "stack"}},
        "quota": {"hard": {"pods": 60, "requests.nvidia.com/gpu": "12", "requests.nvidia.com/mig-2g.20gb": "3"}},
        "cluster": {
            "enabled": True,
            "maxReplicas": {"gpu-l4": 0},
            "groups": {
                "gpu-l4": {"nodeSelector": {"karpenter.k8s.aws/instance-gpu-name": "l4"}, "tolerations": [SKU]},
                "cpu": {"nodeSelector": {"pool": "cpu"}, "tolerations": [SKU]},
            },
        },
        "kueue": {
            "queue": {"create": True, "name": "team-a", "clusterQueue": "all"},
            "priorityClasses": {"create": True},
        },
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    command = [helm, "template", "tunepipe", CHART, "--kube-version", "1.34.0", "--values", tmp_path / "values.yaml"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made.stdout) if each}
    (source,) = objects["NetworkPolicy", "metrics"]["spec"]["ingress"][0]["from"]
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}
    for kind in ("PodMonitor", "PrometheusRule"):
        assert objects[kind, "tunepipe"]["metadata"]["labels"]["release"] == "stack"
    hard = objects["ResourceQuota", "tunepipe"]["spec"]["hard"]
    assert {name: hard[name] for name in ("pods", "requests.nvidia.com/gpu", "requests.nvidia.com/mig-2g.20gb")} == {
        "pods": "60", "requests.nvidia.com/gpu": "12", "requests.nvidia.com/mig-2g.20gb": "3"
    }  # fmt: skip
    assert hard["limits.memory"] == "432Gi"
    groups = objects["RayCluster", "tunepipe"]["spec"]["workerGroupSpecs"]
    assert {each["groupName"]: each["maxReplicas"] for each in groups} == {"cpu": 4, "gpu-l4": 0}
    assert {each["groupName"]: each["replicas"] for each in groups} == {"cpu": 0, "gpu-l4": 0}
    pods = {each["groupName"]: each["template"]["spec"] for each in groups}
    assert pods["gpu-l4"]["nodeSelector"] == {**PLATFORM, "karpenter.k8s.aws/instance-gpu-name": "l4"}
    assert pods["cpu"]["nodeSelector"] == {**PLATFORM, "pool": "cpu"}
    assert [each["key"] for each in pods["gpu-l4"]["tolerations"]] == ["nvidia.com/gpu", "sku"]
    assert pods["cpu"]["tolerations"] == [SKU]
    queue = objects["LocalQueue", "team-a"]
    assert (queue["metadata"]["namespace"], queue["spec"]) == ("tunepipe", {"clusterQueue": "all"})
    components = CHART.parent / "components/kueue"
    for each in yaml.safe_load_all((components / "priorities/priorities.yaml").read_text()):
        assert objects[each["kind"], each["metadata"]["name"]] == each


def test_an_unknown_value_is_refused(helm):
    """A misspelt overlay or value of the chart, or one of another kind, is an error, not a chart without objects."""
    for value in ("overlay=prod", "image.cpu=mine", "imagePullSecrets={lab}", "operator.namespaces=null", "quota=null"):
        assert _template(helm, value).returncode != 0


def test_a_server_takes_the_chart(bed, helm, tmp_path):
    """Kubernetes admits every object of the chart, those for Prometheus included, and amounts and labels of values."""
    made = _template(
        helm, "namespace.name=by-helm", "monitoring.enabled=true", "cluster.enabled=true", "objectStore.port=9000",
        "quota.hard.pods=60", r"quota.hard.requests\.nvidia\.com/gpu=12", "monitoring.labels.release=stack",
        "cluster.maxReplicas.gpu-l4=2", r"cluster.groups.gpu-l4.nodeSelector.nvidia\.com/gpu\.product=NVIDIA-L4",
        "cluster.groups.gpu-l4.tolerations[0].key=sku", "cluster.groups.gpu-l4.tolerations[0].operator=Exists",
        "imagePullSecrets[0].name=lab", "storage.className=fast", "labels.cost-center=a", "https.networks={10.0.0.0/8}",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    objects = [each for each in yaml.safe_load_all(made.stdout) if each]
    kubectl("create", "namespace", "by-helm")
    try:
        (tmp_path / "chart.yaml").write_text(made.stdout)
        dry = ("--server-side", "--dry-run=server", "--validate=strict")
        result = kubectl("apply", *dry, "-f", str(tmp_path / "chart.yaml"))
        assert len(result.splitlines()) == len(objects)
    finally:
        kubectl("delete", "namespace", "by-helm")
