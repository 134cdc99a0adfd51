"""The shared cluster of the Helm chart with any components, compared with what Kustomize makes of them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cluster.overlays import rendered
from scripts.helm_chart import CHART, KEPT, named_components
from tests.kubernetes.testbed.build import build_helm
from tests.project.manifests import HOME, PLATFORM, documented_card, with_components, with_documented_card

Objects = dict[tuple[str, str], dict[str, Any]]

CONTAINER = "/spec/workerGroupSpecs/1/template/spec/containers/0"

BEFORE = {
    "gpu-a100": ("spot", "time-slicing", "time-slicing/product", "time-slicing/strategy", "time-slicing/pods"),
    "gpu-t4": ("aks/spot", "aks/pool-taint", "eks/spot", "eks/spot-nodegroup", "eks-auto/spot"),
    "gpu-h100": ("mig/1g.10gb", "mig/3g.40gb", "mig/1g.12gb", "mig/half", "mig/seventh"),
    "eks/gpu-h200": ("mig/1g.18gb", "mig/3g.71gb"),
    "gke/gpu-a100": ("gke/mig/1g.10gb", "gke/mig/3g.40gb"),
    "gke/gpu-h200": ("gke/mig/1g.18gb", "gke/mig/3g.71gb"),
    "gke/gpu-t4": ("gke/spot", "gke/time-sharing"),
    "gke/gpu-l4-shared": ("gke/shared-clients", "gke/whole-card"),
}
"""Groups, and the components that change each of them here: those that change the group before them."""

SETS = (
    (),
    ("small",),
    ("eks/gpu-a100", "eks/gpu-l4-spot", "eks/gpu-l4", "page", "s3-identity/pods", "pull-secret/pods", "gcs-rocksdb"),
    (
        "aks/gpu-t4",
        "aks/spot",
        "aks/gpu-h100-mig",
        "aks/gpu-a100",
        "time-slicing/strategy",
        "page",
        "aks/identity/pods",
    ),
    ("eks/on-demand", "gpu-t4", "eks/spot-nodegroup", "gpu-a100", "time-slicing", "gpu-h100-mig-single"),
    ("gke/gpu-a100", "gke/spot", "gke/mig/3g.40gb", "gke/gpu-l4", "gke/time-sharing", "gke/shared-clients"),
    ("gke/gpu-b200", "gke/gpu-h100-mega", "gke/gpu-a100-40gb"),
    ("page", "s3-identity/pods", "ca-bundle", "openshift", "gpu-l4", "gpu-a100", "runtime-class"),
    ("token", "gpu-l4-spot", "gpu-h200", "mig/3g.71gb", "runtime-class", "page", "ca-bundle", "openshift"),
    ("aks/gpu-a100", "gpu-group", "page", "no-volume/pods", "ca-bundle"),
)
"""Components of clusters as users may combine them."""

FOUNDATION: dict[str, dict[str, Any]] = {
    "aks/azure-files": {"storage": {"className": "azurefile-csi"}},
    "aks/identity/account": {
        "identity": {
            "create": True,
            "annotations": {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000000"},
            "nodeServers": False,
        }
    },
    "eks-auto/dns": {"dns": {"servers": ["10.100.0.10/32", "172.20.0.10/32"]}},
    "eks/efs": {"storage": {"className": "efs-sc"}},
    "gke/filestore": {"storage": {"className": "standard-rwx", "size": "1Ti"}},
    "kueue/priorities": {"kueue": {"priorityClasses": {"create": True}}},
    "kueue/queue": {"kueue": {"queue": {"create": True}}},
    "mig/none": {},
    "monitoring": {"monitoring": {"enabled": True}},
    "no-volume/claim": {"storage": {"create": False}},
    "pull-secret": {"imagePullSecrets": [{"name": "tunepipe-registry"}]},
    "s3-identity/account": {
        "identity": {
            "create": True,
            "annotations": {
                "eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/tunepipe-studies",
                "iam.gke.io/gcp-service-account": "tunepipe-studies@PROJECT.iam.gserviceaccount.com",
            },
        }
    },
    "s3-keys": {"objectStore": {"port": 9000}},
}
"""Components of the foundation, and the values that do the same with the overlay `dev`, which has `mig/none`."""

OTHERS = {"kueue", "start-deadline", "study", "study/rayjob"}
"""Components of a study."""


@pytest.fixture(scope="module")
def helm() -> Path:
    """The path of Helm."""
    return build_helm()


def templated(
    helm: Path, folder: Path, values: dict[str, Any], chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """What Helm says to the chart with these values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [helm, "template", "tunepipe", chart, "--kube-version", "1.34.0", "--values", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def by_chart(helm: Path, folder: Path, cluster: dict[str, Any], **more: Any) -> Objects:
    """The objects of the chart's cluster with these values."""
    values = {"cluster": {"enabled": True, **cluster}, "foundation": {"enabled": False}, **more}
    made = templated(helm, folder, values)
    assert made.returncode == 0, made.stderr
    return named(each for each in yaml.safe_load_all(made.stdout) if each)


def named(objects: Any) -> Objects:
    """Objects by their kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@pytest.mark.parametrize("component", named_components())
def test_a_component_changes_the_chart_as_kustomize_says(helm, tmp_path, component):
    """A component of `cluster.components` makes the same objects as in an overlay, after a group and the live page."""
    first = "gke/gpu-l4-spot" if component.startswith("gke") else "gpu-l4"
    if component.rpartition("/")[2] == first.rpartition("/")[2]:
        first = first.rpartition("gpu-")[0] + "gpu-h200"
    components = ["token", *([] if component.startswith("gke") else ["on-demand"]), first, "page"]
    components += [group for group, changes in BEFORE.items() if component in changes]
    if component not in components:
        components.append(component)
    assert by_chart(helm, tmp_path, {"components": components}) == named(
        with_components(tmp_path, "base/ray", *components)
    )


@pytest.mark.core
@pytest.mark.parametrize("components", SETS, ids="+".join)
def test_components_change_the_chart_in_their_order(helm, tmp_path, components):
    """Several components change the cluster, the live page and each other as in an overlay that names them so."""
    assert by_chart(helm, tmp_path, {"components": components}) == named(
        with_components(tmp_path, "base/ray", *components)
    )


@pytest.mark.core
def test_the_order_of_the_live_page_is_free(helm, tmp_path):
    """The chart changes the live page by all components, also by those named before it."""
    changes = ["ca-bundle", "aks/identity/pods", "openshift"]
    made = [by_chart(helm, tmp_path, {"components": names}) for names in (["page", *changes], [*changes, "page"])]
    assert made[0] == made[1]


@pytest.mark.core
def test_a_patch_of_the_values_comes_after_the_components(helm, tmp_path):
    """Operations of `cluster.patches` change the cluster as an overlay's own patches do, after its components."""
    changes = [
        {"op": "replace", "path": "/spec/workerGroupSpecs/1/groupName", "value": "gpu-big"},
        {"op": "remove", "path": "/spec/workerGroupSpecs/1/template/spec/nodeSelector/nvidia.com~1gpu.product"},
        {"op": "add", "path": "/spec/workerGroupSpecs/1/template/spec/tolerations/0", "value": {"key": "a"}},
        {"op": "move", "from": "/spec/autoscalerOptions/version", "path": "/spec/headGroupSpec/rayStartParams/x"},
    ]
    with_components(tmp_path, "base/ray", "gpu-a100")
    file = tmp_path / "cluster/kustomization.yaml"
    patches = [{"target": {"kind": "RayCluster"}, "patch": yaml.safe_dump(changes)}]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "patches": patches}))
    made = by_chart(helm, tmp_path, {"components": ["gpu-a100"], "patches": {"RayCluster": changes}})
    assert made == named(rendered(str(tmp_path), "cluster"))


@pytest.mark.core
def test_the_documented_group_for_another_card_is_the_charts_too(helm, tmp_path):
    """With `gpu-group` and the documented operations in the values, the chart has the same group as an overlay."""
    (patch,) = documented_card()["patches"]
    cluster = {"components": ["gpu-group"], "patches": {"RayCluster": yaml.safe_load(patch["patch"])}}
    assert by_chart(helm, tmp_path, cluster) == named(with_documented_card(tmp_path))


def test_values_reach_groups_of_components_and_the_live_page(helm, tmp_path):
    """Images, labels, nodes and maximums of the values are those of groups that components add, and of the page."""
    cluster = {
        "components": ["eks/gpu-t4", "page"],
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "maxReplicas": {"gpu-t4": 3},
        "groups": {"gpu-t4": {"nodeSelector": {"pool": "t4"}, "tolerations": [{"key": "sku", "operator": "Exists"}]}},
    }
    images = {"cpu": "here/cpu:1", "gpu": "here/gpu:1"}
    made = by_chart(helm, tmp_path, cluster, images=images, labels={"cost-center": "a"}, namespace={"name": "team"})
    page = made["Deployment", "page"]
    _, group = made["RayCluster", "tunepipe"]["spec"]["workerGroupSpecs"]
    assert page["metadata"]["namespace"] == "team"
    assert group["maxReplicas"] == 3
    gpu, cpu = group["template"], page["spec"]["template"]
    assert [each["metadata"]["labels"]["cost-center"] for each in (gpu, cpu)] == ["a", "a"]
    assert [each["spec"]["containers"][0]["image"] for each in (gpu, cpu)] == [images["gpu"], images["cpu"]]
    assert gpu["spec"]["nodeSelector"] == {**PLATFORM, "pool": "t4"}
    assert cpu["spec"]["nodeSelector"] == {**PLATFORM, "kubernetes.io/arch": "arm64"}
    assert [each["key"] for each in gpu["spec"]["tolerations"]] == ["nvidia.com/gpu", "sku"]


def patched(op: str, path: str, **more: Any) -> dict[str, Any]:
    """A cluster with a group of GPUs and one operation of JSON Patch."""
    return {"components": ["gpu-l4"], "patches": {"RayCluster": [{"op": op, "path": path, **more}]}}


@pytest.mark.core
@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"components": ["gpu-l4"], "maxReplicas": {"gpu-t4": 1}}, 'no group "gpu-t4" in cluster.components'),
        ({"components": ["gpu-l4"], "groups": {"gpu-t4": {}}}, "Available: cpu, gpu-l4"),
        ({"components": ["gke/gpu-l4-shared", "gke/time-sharing"]}, "follows one that it cannot change"),
        ({"components": ["gke/gpu-l4-shared", "gke/spot"]}, "follows one that it cannot change"),
        ({"components": ["spot"]}, "There is nothing at /spec/workerGroupSpecs/1/"),
        ({"components": ["eks/gpu-l4", "time-slicing"]}, "For one in eks/ or aks/, name time-slicing/strategy"),
        ({"components": ["gke/gpu-l4", "time-slicing"]}, "for one in gke/, gke/time-sharing"),
        ({"components": ["gpu-l4", "eks/gpu-l4"]}, 'Two groups of cluster.components have the name "gpu-l4"'),
        ({"components": ["gpu-l4", "eks/on-demand"]}, 'The group "gpu-l4" may run on spot nodes, unlike the head'),
        ({"components": ["gpu-t4", "gke/gpu-l4"]}, 'The group "gpu-t4" may run on spot nodes'),
        ({"components": ["gpu-l4", "runtime-class", "gpu-t4"]}, 'The group "gpu-t4" has no runtime class'),
        ({"components": ["gpu-a100-mig"]}, "requests nvidia.com/mig-1g.10gb, of which the quota of the overlay dev"),
        ({"patches": {"Deployment": [{"op": "remove", "path": "/spec"}]}}, "name the component page"),
        (patched("replace", f"{CONTAINER}/resources/limits/cpus", value="4"), "There is nothing at /spec/workerGroup"),
        (patched("remove", "/spec/headGroupSpec/templte"), "There is nothing at /spec/headGroupSpec/templte"),
        (patched("add", "/spec/workerGroupSpecs/gpu-l4/replicas", value=1), "There is nothing at /spec/workerGroup"),
        (patched("add", "/spec/workerGroupSpecs/gpu-l4", value={}), "There is nothing at /spec/workerGroupSpecs/gpu-"),
        (patched("replace", "/spec/workerGroupSpecs/2", value={}), "There is nothing at /spec/workerGroupSpecs/2"),
        (patched("remove", "/spec/workerGroupSpecs/-"), "There is nothing at /spec/workerGroupSpecs/-"),
        (patched("copy", "/spec/x", **{"from": "/spec/y/z"}), "There is nothing at /spec/y/z of the RayCluster"),
        (patched("test", "/spec/x", value=1), "or a test of cluster.patches failed: at /spec/x is null, not 1"),
        (patched("copy", "/spec/x"), "missing propert"),
        ({"components": ["gpu-l5"]}, "must be one of"),
        ({"components": ["kueue"]}, "must be one of"),
    ],
)
def test_components_that_cannot_be_are_refused(helm, tmp_path, cluster, message):
    """A component without its group, or named twice, is refused, and so are values and patches of what is not there."""
    made = templated(helm, tmp_path, {"overlay": "dev", "cluster": {"enabled": True, **cluster}})
    assert made.returncode != 0
    assert message in made.stderr


@pytest.mark.parametrize("component", FOUNDATION)
def test_a_component_of_the_foundation_is_a_value(helm, tmp_path, component):
    """With the value that stands for it, the chart's foundation is that of an overlay with the component."""
    made = templated(helm, tmp_path, {"overlay": "dev", **FOUNDATION[component]})
    assert made.returncode == 0, made.stderr
    objects = named(each for each in yaml.safe_load_all(made.stdout) if each)
    for (kind, _), each in objects.items():
        if kind in KEPT:
            assert each["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert objects == named(with_components(tmp_path, "overlays/dev/foundation", component, part="foundation"))


def test_every_component_is_a_value_or_one_of_a_study():
    """Each component of k8s/components is a value of the chart, or changes a study, which the chart does not make."""
    found = {path.parent.relative_to(HOME / "components").as_posix() for path in HOME.glob("components/**/kustomiz*")}
    assert found == {*named_components(), *FOUNDATION, *OTHERS}


@pytest.mark.core
@pytest.mark.parametrize(
    "quota", [{"hard": {"requests.nvidia.com/mig-1g.10gb": "7"}}, {"create": False}], ids=["amount", "no quota"]
)
def test_a_group_needs_an_amount_in_the_quota(helm, tmp_path, quota):
    """A group of parts of cards is taken with an amount for them, or without a quota of the chart."""
    cluster = {"enabled": True, "components": ["gpu-a100-mig"]}
    made = templated(helm, tmp_path, {"overlay": "dev", "cluster": cluster, "quota": quota})
    assert made.returncode == 0, made.stderr
    made = templated(helm, tmp_path, {"overlay": "local-cpu", "cluster": {"enabled": True, "components": ["gpu-l4"]}})
    assert (
        'The group "gpu-l4" requests nvidia.com/gpu, of which the quota of the overlay local-cpu has none'
        in made.stderr
    )


@pytest.mark.core
@pytest.mark.parametrize(("create", "named"), [(False, True), (True, False)])
def test_the_notes_name_an_account_that_is_missing(helm, tmp_path, create, named):
    """The notes name the account of the cluster's pods if the release does not make it."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    # Helm renders its notes only for a release in a cluster.
    (chart / "templates/NOTES.txt").rename(chart / "files/notes.txt")
    (chart / "templates/notes.yaml").write_text('notes: {{ tpl (.Files.Get "files/notes.txt") . | toJson }}\n')
    cluster = {"enabled": True, "components": ["gpu-l4", "s3-identity/pods"]}
    made = templated(helm, tmp_path, {"cluster": cluster, "identity": {"create": create}}, chart)
    assert made.returncode == 0, made.stderr
    (notes,) = (each["notes"] for each in yaml.safe_load_all(made.stdout) if each and "notes" in each)
    assert ("the account tunepipe-storage, which this release does not make" in notes) is named
    assert "{{" not in notes
