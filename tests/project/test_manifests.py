"""The manifests in k8s/: the rendered overlays, and the configuration of studies, heads and images."""

import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from pipeline.cluster.overlays import overlays, rendered
from pipeline.errors import ClusterError
from pipeline.execution.ray.gauges import GAUGES
from tests.project.manifests import HOME, RAY, as_pod, check_schema, pods, ray_cluster

GOLDENS = Path(__file__).with_name("rendered")
PARTS = ("foundation", "cluster", "study")
ALL = [(overlay, part) for overlay in overlays() for part in PARTS]
OPERATORS = RAY | {"PodMonitor", "PrometheusRule"}


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
    """Every object of a kind of Kubernetes fits its strict schema, and so do the pods of Ray's kinds."""
    for each in rendered(overlay, part):
        if each["kind"] not in OPERATORS:
            check_schema(each)
    for pod in (pod for each in rendered(overlay, part) if each["kind"] in RAY for pod in pods(each)):
        check_schema(as_pod(pod))


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
def test_a_head_ends_gracefully(overlay):
    """A head ends its drivers before Ray stops, and no autoscaler evicts it."""
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


def test_every_file_of_the_base_and_of_the_components_is_used():
    """Every file of the base, the components and the overlays is named by a kustomization."""
    files = [path for part in ("base", "components", "overlays") for path in (HOME / part).rglob("*.yaml")]
    for folder in {path.parent for path in files}:
        kustomization = (folder / "kustomization.yaml").read_text()
        unnamed = [each.name for each in folder.glob("*.yaml") if each.name not in ("kustomization.yaml",)]
        assert [name for name in unnamed if name not in kustomization] == []


def test_a_patch_file_deletes_one_object():
    """No patch file deletes two objects, on which Kustomize 5.5 within kubectl 1.32 crashes."""
    files = [*HOME.rglob("*.yaml"), *(HOME.parent / "tests/kubernetes/overlay").rglob("*.yaml")]
    patches = [file.read_text() for file in files if "$patch: delete" in file.read_text()]
    assert len(patches) >= 2
    assert [text for text in patches if text.count("$patch: delete") > 1] == []


@pytest.mark.parametrize("overlay", overlays())
def test_a_study_has_a_deadline(overlay):
    """The deadline of a study is two weeks, which KubeRay counts from each start of its cluster."""
    (job,) = rendered(overlay, "study")
    assert job["spec"]["activeDeadlineSeconds"] == 14 * 24 * 3600


def test_a_cluster_may_have_a_deadline_to_start(own):
    """With the component `start-deadline`, a cluster has an hour to start; else a study is as for older KubeRay."""
    (job,) = own("overlays/dev/study", "start-deadline", part="study")
    assert job["spec"].pop("preRunningDeadlineSeconds") == 3600
    assert [job] == rendered("dev", "study")


@pytest.mark.parametrize(
    ("part", "below", "components"),
    [
        ("study", "overlays/dev/cluster", ("start-deadline", "study")),
        ("study", "overlays/dev/cluster", ("kueue", "study")),
        ("foundation", "base/foundation", ("pull-secret", "s3-identity/account")),
        ("foundation", "base/foundation", ("pull-secret", "aks/identity/account")),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else value,
)
def test_a_component_before_the_object_that_it_changes_is_refused(own, part, below, components):
    """A component named before the object that it changes is an error that says where the order is described."""
    with pytest.raises(ClusterError, match=r"Kustomize cannot render .*table of components"):
        own(below, *components, part=part)
    own(below, *reversed(components), part=part)


@pytest.mark.parametrize("overlay", ["dev", "prod-gpu"])
def test_filestore_has_its_class_and_smallest_size(own, overlay):
    """With the component `gke/filestore`, the claim of an overlay has Filestore's class and its smallest size."""
    made = own(f"overlays/{overlay}/foundation", "gke/filestore", part="foundation")
    (claim,) = (each for each in made if each["kind"] == "PersistentVolumeClaim")
    check_schema(claim)
    assert claim["spec"] == {
        "storageClassName": "standard-rwx",
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Ti"}},
    }


@pytest.mark.parametrize(("component", "name"), [("aks/azure-files", "azurefile-csi"), ("eks/efs", "efs-sc")])
def test_a_cloud_has_a_storage_class(own, component, name):
    """With a cloud's component, the claim of an overlay has the class of its shared file system and is as before."""
    (before,) = (each for each in rendered("dev", "foundation") if each["kind"] == "PersistentVolumeClaim")
    made = own("overlays/dev/foundation", component, part="foundation")
    (claim,) = (each for each in made if each["kind"] == "PersistentVolumeClaim")
    check_schema(claim)
    assert claim["spec"].pop("storageClassName") == name
    assert claim == before


def test_the_state_of_the_head_can_outlive_it(own):
    """With the component `gcs-rocksdb`, the cluster of a RayJob keeps the head's state on disk."""
    (job,) = own("base/ray", "gcs-rocksdb", "study", part="study")
    assert job["spec"]["rayClusterSpec"]["gcsFaultToleranceOptions"] == {"backend": "rocksdb"}


@pytest.mark.parametrize("part", ["cluster", "study"])
def test_an_overlay_names_images_once(own, part):
    """The `images` of an overlay apply to the autoscaler too, and pin each kind of image by its own digest."""
    digests = {kind: f"sha256:{kind[0] * 64}" for kind in ("cpu", "gpu")}
    pinned = {
        f"tunepipe-{kind}": {"newName": f"registry.lab/tunepipe-{kind}", "digest": digest}
        for kind, digest in digests.items()
    }
    text = yaml.safe_dump(own(f"overlays/prod-gpu/{part}", part=part, images=pinned))
    assert "image: tunepipe" not in text
    for kind, digest in digests.items():
        assert f"image: registry.lab/tunepipe-{kind}@{digest}" in text


@pytest.mark.parametrize("part", ["cluster", "study"])
def test_images_have_the_version_of_the_manifests(own, part):
    """Each image of an overlay and of the live page has the project's version as its tag, never one that moves."""
    objects = [*own(f"overlays/prod-gpu/{part}", "page", part=part)]
    images = set(re.findall(r"image: (\S+)", yaml.safe_dump(objects)))
    assert images == {f"tunepipe-{kind}:{version('tunepipe')}" for kind in ("cpu", "gpu")}


@pytest.mark.parametrize("overlay", overlays())
def test_a_disruption_budget_is_for_one_cluster(overlay):
    """The disruption budget belongs to the shared cluster, ends with it, and protects no head that is not ready."""
    (budget,) = (each for each in rendered(overlay, "cluster") if each["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    name = ray_cluster(rendered(overlay, "cluster"))["metadata"]["name"]
    assert budget["spec"]["selector"]["matchLabels"] == {"ray.io/cluster": name, "ray.io/node-type": "head"}
    others = [each["kind"] for part in ("foundation", "study") for each in rendered(overlay, part)]
    assert "PodDisruptionBudget" not in others


def test_a_study_that_has_ended_stands_still_without_an_alert():
    """The alert of a study without progress requires its metrics of now and of an hour ago."""
    (rules,) = (each for each in rendered("prod-gpu", "foundation") if each["kind"] == "PrometheusRule")
    (rule,) = (each for group in rules["spec"]["groups"] for each in group["rules"] if "Stands" in each["alert"])
    grouped = "max by (namespace, study)"
    assert rule["expr"].split(" and ") == [
        f"{grouped} (delta(ray_tunepipe_epochs[1h])) == 0",
        f"{grouped} (ray_tunepipe_epochs) >= 0",
        f"{grouped} (ray_tunepipe_epochs offset 1h) >= 0",
    ]


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
