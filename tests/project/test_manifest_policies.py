"""What the policies of a cluster may require of objects: labels, probes, limits, and no way in from outside."""

import pytest
import yaml

from pipeline.cluster.overlays import overlays, rendered
from tests.project.manifests import RAY, as_pod, check_schema, pods

NAMED = {"app.kubernetes.io/name": "tunepipe", "app.kubernetes.io/part-of": "tunepipe"}
FOUNDATION = (
    "monitoring", "s3-identity/account", "aks/identity/account", "s3-keys", "kueue/queue", "kueue/priorities"
)  # fmt: skip


def templates(ray):
    """The templates of the pods of a RayCluster or a RayJob."""
    spec = ray["spec"].get("rayClusterSpec", ray["spec"])
    found = [each["template"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    return [*found, *(ray["spec"][name] for name in ("submitterPodTemplate",) if name in ray["spec"])]


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["foundation", "cluster", "study"])
def test_every_object_has_the_recommended_labels(overlay, part):
    """Each object of an overlay has Kubernetes' recommended labels for its name and for what it is part of."""
    for each in rendered(overlay, part):
        assert NAMED.items() <= each["metadata"]["labels"].items()


@pytest.mark.parametrize("component", FOUNDATION)
def test_objects_of_components_have_the_recommended_labels(own, component):
    """Each object that a component adds to a foundation has the recommended labels."""
    made = own("base/foundation", component, part="foundation")
    assert len(made) > len(rendered("dev", "foundation"))
    for each in made:
        assert NAMED.items() <= each["metadata"]["labels"].items()


def test_pods_that_the_operator_does_not_name_have_a_name(own):
    """The pod that submits and the live page have their own names; KubeRay names the pods of a Ray cluster."""
    (job,) = rendered("dev", "study")
    (page,) = (each for each in own("base/ray", "page") if each["kind"] == "Deployment")
    names = [each["metadata"]["labels"]["app.kubernetes.io/name"] for each in (templates(job)[-1], page)]
    assert names == ["tunepipe-submitter", "tunepipe-page"]
    for template in templates(job)[:-1]:
        assert "app.kubernetes.io/name" not in template["metadata"]["labels"]


def test_labels_and_annotations_of_an_overlay_reach_every_pod(own, tmp_path):
    """An overlay's labels with `includeTemplates`, and its annotations, are those of all pods, its studies' too."""
    own("base/ray", "gpu-l4", "gke/gpu-l4-spot", "page")
    own("../cluster", "study", part="study")
    marks = {
        "labels": [{"pairs": {"cost-center": "a"}, "includeTemplates": True}],
        "commonAnnotations": {"sidecar.istio.io/inject": "false"},
    }
    for part in ("cluster", "study"):
        file = tmp_path / part / "kustomization.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **marks}))
    for part in ("cluster", "study"):
        made = rendered(str(tmp_path), part)
        found = [each for ray in made if ray["kind"] in RAY for each in templates(ray)]
        found += [each["spec"]["template"] for each in made if each["kind"] == "Deployment"]
        assert len(found) == len([pod for each in made for pod in pods(each)]) == (5 if part == "cluster" else 6)
        for each in found:
            assert each["metadata"]["labels"]["cost-center"] == "a"
            assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "tunepipe"
            assert each["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize("overlay", overlays())
def test_no_service_is_reached_from_outside(overlay):
    """The quota leaves no room for services that are reached from outside, which the service of a head could be."""
    (quota,) = (each for each in rendered(overlay, "foundation") if each["kind"] == "ResourceQuota")
    hard = quota["spec"]["hard"]
    assert (hard["services.loadbalancers"], hard["services.nodeports"]) == ("0", "0")


def test_the_live_page_has_probes(own):
    """The live page is asked whether it is ready, and whether it is alive."""
    (page,) = (each for each in own("base/ray", "page") if each["kind"] == "Deployment")
    (container,) = page["spec"]["template"]["spec"]["containers"]
    assert {"readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize("part", ["foundation", "cluster", "study"])
def test_an_overlay_may_have_any_namespace(own, tmp_path, part):
    """A namespace of 63 characters, or one like a number, is that of all objects and of the submitter's rights."""
    own("base/foundation", *(each for each in FOUNDATION if not each.startswith("aks/")), part="foundation")
    own("base/ray", "gpu-l4", "page")
    own("../cluster", "study", "kueue", part="study")
    for name in ("a" * 63, "123"):
        file = tmp_path / part / "kustomization.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "namespace": name}))
        made = rendered(str(tmp_path), part)
        assert {each["metadata"].get("namespace", name) for each in made} == {name}
        assert {each["metadata"]["name"] for each in made if each["kind"] == "Namespace"} <= {name}
        subjects = [one for each in made if each["kind"] == "RoleBinding" for one in each["subjects"]]
        assert {each["namespace"] for each in subjects} <= {name}


def test_a_bundle_of_certificates_reaches_what_uses_the_storage(own):
    """With the component `ca-bundle`, head, workers and live page trust the certificates of a ConfigMap."""
    made = own("base/ray", "gpu-l4", "gke/gpu-l4-spot", "page", "ca-bundle")
    assert {each["kind"] for each in made} == {"RayCluster", "PodDisruptionBudget", "Deployment"}
    found = list(pods(made))
    assert len(found) == 5
    for pod in found:
        container = pod["containers"][0]
        (trusted,) = (each["value"] for each in container["env"] if each["name"] == "SSL_CERT_FILE")
        (mount,) = (each["mountPath"] for each in container["volumeMounts"] if each["name"] == "certificates")
        assert trusted == f"{mount}/ca.crt"
        assert [each for each in pod["volumes"] if "configMap" in each] == [
            {"name": "certificates", "configMap": {"name": "tunepipe-ca"}}
        ]
        check_schema(as_pod(pod))
    without = own("base/ray", "ca-bundle")
    assert {each["kind"] for each in without} == {"RayCluster", "PodDisruptionBudget"}
    assert all("certificates" in str(pod["volumes"]) for pod in pods(without))
