"""Objects that the real API server accepts, and objects that it refuses."""

import json

import pytest
import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.room import Failed
from tests.kubernetes.user import NAMESPACE
from tests.manifests import HOME, NAMES, TABLE, charted

STRICT = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")


@pytest.mark.parametrize("name", NAMES)
def test_every_cluster_is_taken_as_it_stands(foundation, name):
    """The server's strict schemas accept every object of every cluster that is part of tunepipe."""
    made = charted(**yaml.safe_load((HOME / f"values/{name}.yaml").read_text())).values()
    # Where nothing is of that name yet: a claim, once made, may not be changed.
    elsewhere = [{**each, "metadata": {**each["metadata"], "namespace": "default"}} for each in made]
    kubectl("apply", *STRICT, "-f", "-", said=yaml.safe_dump_all(elsewhere))


@pytest.mark.core
def test_a_server_takes_the_chart(bed):
    """Kubernetes admits every object of the chart, those for Prometheus included, and what values add."""
    objects = charted(
        namespace={"name": "by-helm"}, monitoring={"enabled": True, "labels": {"release": "stack"}}, cloud="gke",
        groups=[{"gpu": "l4", "spot": True}, {"gpu": "a100", "mig": "1g.10gb", "max": 2}], objectStore={"port": 9000},
        quota={"hard": {"pods": 60, "requests.nvidia.com/gpu": "12"}}, imagePullSecrets=[{"name": "lab"}],
        storage={"className": "fast"}, labels={"cost-center": "a"}, https={"networks": ["10.0.0.0/8"]},
        identity={"enabled": True}, caBundle="tunepipe-ca", runtimeClass="nvidia",
    )  # fmt: skip
    kubectl("create", "namespace", "by-helm")
    try:
        result = kubectl("apply", *STRICT, "-f", "-", said=yaml.safe_dump_all(objects.values()))
        assert len(result.splitlines()) == len(objects)
    finally:
        kubectl("delete", "namespace", "by-helm")


@pytest.mark.parametrize("cloud", TABLE["clouds"])
def test_every_group_is_taken(foundation, cloud):
    """The server's strict schemas accept a cluster and a study with every GPU group of a cloud."""
    known = [gpu for gpu, lines in TABLE["gpus"].items() if TABLE["clouds"][cloud]["gpus"] in lines]
    made = charted(cloud=cloud, groups=[{"gpu": gpu, "spot": spot} for gpu in known for spot in (True, False)])
    rays = [each for (kind, _), each in made.items() if kind in ("RayCluster", "RayJob")]
    assert len(rays[0]["spec"]["workerGroupSpecs"]) == 2 * len(known) + 1
    kubectl("apply", *STRICT, "-f", "-", said=yaml.safe_dump_all(rays))


def pod(**container: object) -> str:
    """A pod that a restricted namespace accepts, apart from the given changes."""
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    resources = container.pop("resources", {})
    containers = [{"name": "c", "image": "x:1", "resources": resources, "securityContext": {**safe, **container}}]
    metadata = {"name": "tried", "namespace": NAMESPACE}
    spec = {"securityContext": security, "containers": containers}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (pod(runAsUser=0), "runAsUser=0"),
        (pod(privileged=True, allowPrivilegeEscalation=True), "privileged"),
        (pod(capabilities={"add": ["SYS_ADMIN"]}), "capabilities"),
        (pod(resources={"limits": {"cpu": "3000", "memory": "1Gi"}}), "exceeded quota"),
        (pod(resources={"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 201}}), "exceeded quota"),
    ],
    ids=["root", "privileged", "capabilities", "processors beyond the quota", "GPUs beyond the quota"],
)
def test_pods_that_break_the_policy_are_refused(foundation, refused, why):
    kubectl("apply", "--dry-run=server", "-f", "-", said=pod())
    with pytest.raises(Failed, match=why):
        kubectl("apply", "--dry-run=server", "-f", "-", said=refused)


MAY = {
    *((verb, "rayjobs.ray.io") for verb in ("create", "get", "delete", "list")),
    *((verb, "pods") for verb in ("create", "get", "delete", "list")),
    *((verb, "pods/exec") for verb in ("create", "get")),
    ("create", "configmaps"),
    ("get", "pods/log"),
    ("list", "events"),
}
MAY_NOT = {
    *((verb, "secrets") for verb in ("create", "get", "list")),
    *((verb, "configmaps") for verb in ("get", "list", "delete")),
    *((verb, "rayclusters.ray.io") for verb in ("create", "list")),
    ("patch", "rayjobs.ray.io"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("create", "deployments.apps"),
    ("create", "serviceaccounts/token"),
    ("impersonate", "serviceaccounts"),
    ("delete", "persistentvolumeclaims"),
    ("update", "resourcequotas"),
}


def allowed(namespace: str, account: str) -> set[tuple[str, str]]:
    """The requests that the server allows a service account."""
    asked = sorted(MAY | MAY_NOT)
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
    who = {"user": f"system:serviceaccount:{NAMESPACE}:{account}", "groups": groups}
    reviews = []
    for verb, kind in asked:
        name, _, below = kind.partition("/")
        resource, _, group = name.partition(".")
        what = {"verb": verb, "resource": resource, "group": group, "subresource": below, "namespace": namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        reviews.append({**review, "spec": {"resourceAttributes": what, **who}})
    together = {"apiVersion": "v1", "kind": "List", "items": reviews}
    reported = kubectl("create", "-o", "jsonpath={.status.allowed} ", "-f", "-", said=json.dumps(together)).split()
    return {each for each, answer in zip(asked, reported, strict=True) if answer == "true"}


def test_the_submitter_may_do_what_submit_does(foundation):
    """The submitter's account has exactly the rights of `tunepipe submit`, in its own namespace only."""
    assert allowed(NAMESPACE, "tunepipe-submitter") == MAY
    assert allowed("default", "tunepipe-submitter") == set()


def test_workers_have_no_rights(foundation):
    assert allowed(NAMESPACE, "tunepipe-worker") == set()
