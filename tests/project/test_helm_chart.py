"""The Helm chart is the one that its script writes from the overlays."""

import json
import re

import pytest
import yaml
from jsonschema import Draft7Validator

from pipeline.cluster.overlays import overlays, rendered
from scripts.documentation.command_line import unreadable
from scripts.helm_chart import CHART, KEPT, MONITORING, NOTES, chart, named_components
from tests.project.manifests import HOME


@pytest.fixture(scope="module")
def files():
    """The chart's files."""
    return chart()


def test_the_chart_is_written_from_the_overlays(files):
    """The chart's files equal those that `python -m scripts.helm_chart` writes from the overlays."""
    written = {str(path.relative_to(CHART)): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    assert written == files


def test_every_mark_has_become_a_value(files):
    """No mark of the generator is left in the chart."""
    assert [path for path, text in files.items() if "MARK-" in text] == []


def test_the_commands_of_the_notes_can_be_read(files):
    """Each tunepipe command that Helm prints after an installation has every option that the command requires."""
    values = yaml.safe_load(files["values.yaml"])
    printed = re.sub(
        r"\{\{ \.Values\.([\w.]+) \}\}", lambda found: str(_value(values, found[1])), files["templates/NOTES.txt"]
    )
    commands = re.findall(r"^ +(tunepipe .*)$", printed, re.MULTILINE)
    assert commands
    assert [unreadable(command) for command in commands] == [None] * len(commands)
    assert "{{" not in re.sub(r"\{\{- .*\}\}", "", printed)


def _value(values, path):
    for name in path.split("."):
        values = values[name]
    return values


def test_the_notes_say_where_images_of_studies_come_from():
    """The notes say that the images of a study are named by an overlay, because the chart's values reach none."""
    assert "--overlay" in NOTES.partition("registry")[2]


def test_an_uninstallation_keeps_studies(files):
    """The templates of the namespace and of the volume claim have Helm's annotation to keep them, and no others do."""
    foundation = {path: text for path, text in files.items() if path.startswith("templates/foundation/")}
    kept = {path for path, text in foundation.items() if "helm.sh/resource-policy: keep" in text}
    assert kept == {
        path for path in foundation if path.split("/")[-1].startswith(tuple(f"{kind.lower()}-" for kind in KEPT))
    }
    assert len(kept) == len(KEPT)


def _with(files, path, value):
    """Whether the chart's schema takes its values with one more."""
    values = yaml.safe_load(files["values.yaml"])
    *above, last = path.split("/")
    inner = values
    for name in above:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return Draft7Validator(json.loads(files["values.schema.json"])).is_valid(values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("overlay", "dev"),
        ("namespace/name", "123"),
        ("namespace/name", "a" * 63),
        ("labels/cost-center", "42"),
        ("images/cpu", "registry.lab:5000/tunepipe-cpu:0.1.0"),
        ("images/cpu", f"registry.lab:5000/tunepipe-cpu@sha256:{'0' * 64}"),
        ("images/cpu", f"registry.lab/tunepipe-cpu:0.1.0@sha256:{'0' * 64}"),
        ("quota/hard/requests.nvidia.com~gpu", "12"),
        ("quota/hard/pods", 60),
        ("cluster/components", ["token", "eks/gpu-l4-spot", "page", "openshift"]),
        ("cluster/components", []),
        ("cluster/patches/RayCluster", [{"op": "remove", "path": "/spec/authOptions"}]),
        ("cluster/patches/RayCluster", [{"op": "move", "from": "/spec/a", "path": "/spec/b"}]),
        ("identity/annotations", {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}),
        ("cluster/maxReplicas/gpu-l4", 4),
        ("cluster/groups/gpu-l4/nodeSelector", {"nvidia.com/gpu.product": "NVIDIA-L4"}),
        (
            "cluster/groups/cpu/tolerations",
            [{"key": "example.com/sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}],
        ),
        ("monitoring/enabled", True),
        ("monitoring/labels/release", "kube-prometheus-stack"),
        ("storage/className", ""),
        ("storage/className", None),
        ("storage/volumeName", "nfs-1"),
        ("storage/accessModes", ["ReadWriteOnce"]),
        ("storage/create", False),
        ("dns/servers", ["172.20.0.10/32", "fd00::a/128"]),
        ("https/networks", ["10.0.0.0/8"]),
        ("cluster/nodeSelector/pool", "cpu"),
        ("kueue/queue/name", "team-a"),
        ("kueue/priorityClasses/create", True),
    ],
)
def test_a_value_is_taken(files, path, value):
    """The schema takes the chart's own values, and other ones of their types."""
    assert _with(files, path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("overlay", "prod"),
        ("namespace/name", "Team_A"),
        ("namespace/name", "a" * 64),
        ("labels", {"app.kubernetes.io/part-of": "all"}),
        ("images/cpu", "registry.lab:5000/tunepipe-cpu"),
        ("images/cpu", "tunepipe-cpu:latest"),
        ("operator/namespaces", ["Ray"]),
        ("imagePullSecrets", [{"name": "a b"}]),
        ("storage/size", "20 GB"),
        ("quota/hard/pods", "many"),
        ("quota/hard", {"a b: c": "1"}),
        ("monitor/enabled", True),
        ("monitoring/enable", True),
        ("monitoring/enabled", "yes"),
        ("monitoring/namespace", ""),
        ("monitoring/labels/release", 1),
        ("quota/hard/pods", None),
        ("quota/hard/pods", ["60"]),
        ("cluster/components", ["gpu-l5"]),
        ("cluster/components", ["study"]),
        ("cluster/components", "gpu-l4"),
        ("cluster/patches/RayJob", []),
        ("cluster/patches/RayCluster", [{"op": "drop", "path": "/spec/authOptions"}]),
        ("cluster/patches/RayCluster", [{"op": "replace", "path": "/spec/workerGroupSpecs/0/groupName"}]),
        ("cluster/patches/RayCluster", [{"op": "copy", "path": "/spec/a"}]),
        ("identity/annotations", {"eks.amazonaws.com/role-arn": 1}),
        ("cluster/maxReplicas/gpu-l4", "four"),
        ("cluster/maxReplicas/gpu-h100", 4),
        ("cluster/groups/gpu-h100", {}),
        ("cluster/groups/gpu-l4/nodeSelector", {"gpu": True}),
        ("cluster/groups/gpu-l4/nodeSelectors", {"gpu": "l4"}),
        ("cluster/groups/gpu-l4/tolerations", {"key": "sku", "operator": "Exists"}),
        ("cluster/groups/gpu-l4/tolerations", [{"key": "sku", "effect": "NoSchedules"}]),
        ("cluster/groups/gpu-l4/tolerations", [{"operator": "Exists"}]),
        ("storage/className", 1),
        ("storage/volume", "nfs-1"),
        ("storage/accessModes", ["RWX"]),
        ("storage/create", "no"),
        ("dns/servers", ["172.20.0.10"]),
        ("dns/servers", "172.20.0.10/32"),
        ("dns/servers", ["172.20.0.10/129"]),
        ("cluster/nodeSelector/pool", 1),
        ("kueue/queueName", "team-a"),
        ("kueue/queue/clusterQueue", ""),
        ("kueue/queue", None),
    ],
)
def test_a_misspelt_value_is_refused(files, path, value):
    """The schema refuses values of other names and types, and groups that the overlay does not have."""
    assert not _with(files, path, value)


def test_a_group_is_one_of_the_chosen_overlay(files):
    """The maximum of a group is refused with an overlay that does not have the group, unless components are named."""
    values = yaml.safe_load(files["values.yaml"])
    validator = Draft7Validator(json.loads(files["values.schema.json"]))
    values["cluster"]["maxReplicas"] = {"gpu-a100": 2}
    assert validator.is_valid(values)
    assert not validator.is_valid({**values, "overlay": "dev"})
    values["cluster"]["components"] = ["gke/gpu-a100"]
    assert validator.is_valid({**values, "overlay": "dev"})


@pytest.mark.parametrize(
    "asked",
    [
        {"monitoring": {"enabled": True}},
        {"kueue": {"queue": {"create": True}}},
        {"kueue": {"priorityClasses": {"create": True}}},
        {"objectStore": {"port": 9000}},
        {"identity": {"create": True}},
    ],
)
def test_an_object_of_the_foundation_is_refused_without_it(files, asked):
    """An object of the foundation that a value asks for is refused in a release without the foundation."""
    values = yaml.safe_load(files["values.yaml"])
    for name, changes in asked.items():
        for field, value in changes.items():
            values[name][field] = {**values[name][field], **value} if isinstance(value, dict) else value
    validator = Draft7Validator(json.loads(files["values.schema.json"]))
    assert validator.is_valid(values)
    values["foundation"]["enabled"] = False
    assert not validator.is_valid(values)


def test_nothing_of_another_operator_is_installed_by_default(files):
    """By default, no object needs definitions of KubeRay, Prometheus or Kueue, and monitoring is off as a whole."""
    own = {"v1", "apps/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1"}
    values = yaml.safe_load(files["values.yaml"])
    for path, text in files.items():
        if not path.startswith("templates/foundation/"):
            continue
        switches = [_value(values, each) for each in re.findall(r"\.Values\.([\w.]+)", text.partition("}}")[0])]
        (version,) = set(re.findall(r"^apiVersion: (\S+)", text, re.MULTILINE))
        assert version in own or False in switches, path
    assert values["monitoring"]["enabled"] is False
    assert values["cluster"]["enabled"] is False
    with_component, without = (
        {(each["kind"], each["metadata"]["name"]) for each in rendered(overlay, "foundation")}
        for overlay in ("prod-gpu", "dev")
    )
    assert with_component - without == MONITORING
    for kind, name in MONITORING:
        first = files[f"templates/foundation/{kind.lower()}-{name}.yaml"].partition("\n")[0]
        assert first == "{{- if and .Values.foundation.enabled .Values.monitoring.enabled }}"


def test_every_overlay_has_its_amounts(files):
    """Each amount of each overlay's quota is a value."""
    for overlay in overlays():
        (quota,) = (each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")
        for name, amount in quota["spec"]["hard"].items():
            value = f'dig "{name}" "{amount}" .Values.quota.hard'
            assert value in files["templates/foundation/resourcequota-tunepipe.yaml"]


def test_a_cluster_may_have_every_component_of_an_overlays_cluster():
    """A value names each component that the documentation adds to `cluster`, and those of each overlay's cluster."""
    text = (CHART.parents[1] / "docs/kubernetes-reference.md").read_text()
    documented = set()
    for names, part in re.findall(r"^\| (`.*?) \| `(\w+)` \|", text, re.MULTILINE):
        documented |= {name for name in re.findall(r"`([^`]+)`", names) if part == "cluster" and "…" not in name}
    assert len(documented) > 20
    assert documented <= set(named_components())
    assert {name for each in _data("overlays").values() for name in each["components"]} <= set(named_components())
    assert not {"study", "kueue", "start-deadline", "monitoring", "eks-auto/dns"} & set(named_components())


def test_operations_of_the_chart_are_those_of_the_components():
    """The chart's data have each operation that a component's kustomization has, word for word."""
    components = _data("components")
    for name, each in components.items():
        kustomization = yaml.safe_load((HOME / "components" / name / "kustomization.yaml").read_text())
        written = [
            operation
            for patch in kustomization.get("patches", ())
            for operation in yaml.safe_load(
                patch.get("patch") or (HOME / "components" / name / patch["path"]).read_text()
            )
        ]
        held = [operation for operations in each["operations"].values() for operation in operations]
        assert [operation for operation in written if operation not in held] == []
        assert len(each["components"]) == len(kustomization.get("components", ()))


def test_the_documented_values_are_taken(files):
    """The schema takes the values that the documentation writes into a file."""
    text = (CHART.parents[1] / "docs/kubernetes-reference.md").read_text()
    documented = yaml.safe_load(text.partition("cat > values.yaml <<END\n")[2].partition("\nEND\n")[0])
    values = yaml.safe_load(files["values.yaml"])
    values = {**values, **{name: {**values[name], **changes} for name, changes in documented.items()}}
    assert Draft7Validator(json.loads(files["values.schema.json"])).is_valid(values)


def _data(name):
    return json.loads((CHART / f"files/{name}.json").read_text())


def test_the_patches_that_replace_values_find_their_fields(own):
    """Each path that the documentation names for an overlay's own patch exists in that object."""
    text = (CHART.parents[1] / "docs/kubernetes-reference.md").read_text()
    objects = own("overlays/prod-gpu/foundation", "s3-keys", "kueue/queue", part="foundation")
    named = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    patches = re.findall(r"a patch of the (\w+)(?: `([\w-]+)`)?: (`/[^|]*) \|", text)
    assert len(patches) == 4
    for kind, name, paths in patches:
        for path in re.findall(r"`(/[^`]*)`", paths):
            node = named[kind, name or "tunepipe"]
            for step in path[1:].split("/"):
                node = node[int(step)] if isinstance(node, list) else node[step.replace("~1", "/")]
