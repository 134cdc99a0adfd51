"""Objects that the real API server accepts, and objects that it refuses."""

import json

import pytest
import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.room import Failed
from tests.kubernetes.user import NAMESPACE, restricted_pod
from tests.manifests import HOME, NAMES, TABLE, charted

STRICT = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")


CHARTS = {name: yaml.safe_load((HOME / f"values/{name}.yaml").read_text()) for name in NAMES}
for cloud, lines in TABLE["clouds"].items():
    known = [gpu for gpu, clouds in TABLE["gpus"].items() if lines["gpus"] in clouds]
    CHARTS[cloud] = {"cloud": cloud, "groups": [{"gpu": gpu, "spot": spot} for gpu in known for spot in (True, False)]}
EVERYTHING = {
    "monitoring": {"enabled": True, "labels": {"release": "stack"}}, "cloud": "gke", "identity": {"enabled": True},
    "groups": [{"gpu": "l4", "spot": True}, {"gpu": "a100", "mig": "1g.10gb", "max": 2}, {"gpu": "h100", "count": 8}],
    "quota": {"hard": {"pods": 60, "requests.nvidia.com/gpu": "12"}}, "imagePullSecrets": [{"name": "lab"}],
    "storage": {"className": "fast"}, "labels": {"cost-center": "a"}, "https": {"networks": ["10.0.0.0/8"]},
    "objectStore": {"port": 9000}, "caBundle": "tunepipe-ca", "runtimeClass": "nvidia",
}  # fmt: skip


@pytest.mark.parametrize(
    "values", [*CHARTS.values(), pytest.param(EVERYTHING, marks=pytest.mark.core)], ids=[*CHARTS, "everything"]
)
def test_a_server_takes_every_object_of_the_chart(bed, values):
    """The server's strict schemas accept the clusters of tunepipe, every group of each cloud, and what values add."""
    made = charted(**values).values()
    # Where nothing is of that name yet: a claim, once made, may not be changed.
    elsewhere = [{**each, "metadata": {**each["metadata"], "namespace": "default"}} for each in made]
    result = kubectl("apply", *STRICT, "-f", "-", said=yaml.safe_dump_all(elsewhere))
    assert len(result.splitlines()) == len(elsewhere)


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"securityContext": {"runAsUser": 0}}, "runAsUser=0"),
        ({"securityContext": {"privileged": True, "allowPrivilegeEscalation": True}}, "privileged"),
        ({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "capabilities"),
        ({"resources": {"limits": {"cpu": "3000", "memory": "1Gi"}}}, "exceeded quota"),
        ({"resources": {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 201}}}, "exceeded quota"),
    ],
    ids=["root", "privileged", "capabilities", "processors beyond the quota", "GPUs beyond the quota"],
)
def test_pods_that_break_the_policy_are_refused(foundation, refused, why):
    kubectl("apply", "--dry-run=server", "-f", "-", said=json.dumps(restricted_pod("tried")))
    with pytest.raises(Failed, match=why):
        kubectl("apply", "--dry-run=server", "-f", "-", said=json.dumps(restricted_pod("tried", **refused)))


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
