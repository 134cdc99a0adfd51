"""The rights of pods, their network access, and the source of their credentials."""

from ipaddress import ip_network

import pytest

from pipeline.cluster.overlays import overlays, rendered
from tests.project.manifests import RAY, check_schema, pods, pods_of_groups, ray_cluster, selects


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_pod_is_allowed_in_a_restricted_namespace(overlay, part):
    """Every pod runs without root or paths and namespaces of the host, with a seccomp profile and node rules."""
    specs = [pod for each in rendered(overlay, part) for pod in pods(each)]
    assert len(specs) >= 2
    for pod in specs:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_every_container_can_change_nothing_but_its_volumes(overlay, part):
    """Containers have a read-only root, no capabilities or escalation, requests, limits and a pinned image."""
    document = next(each for each in rendered(overlay, part) if each["kind"] in RAY)
    spec = document["spec"].get("rayClusterSpec", document["spec"])
    containers = [each for pod in pods(document) for each in pod["containers"]]
    for container in [*containers, spec["autoscalerOptions"]]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
        assert not container["image"].endswith(":latest")
        assert ":" in container["image"]


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("part", ["cluster", "study"])
def test_only_the_autoscaler_has_a_token_of_the_kubernetes_api(overlay, part):
    """Only the autoscaler's container mounts a token; its volumes and its user are not those of users' code."""
    document = next(each for each in rendered(overlay, part) if each["kind"] in RAY)
    for pod in pods(document):
        assert pod["automountServiceAccountToken"] is False
        assert not {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]} & _tokens(pod)
    spec = document["spec"].get("rayClusterSpec", document["spec"])
    head, autoscaler = spec["headGroupSpec"]["template"]["spec"], spec["autoscalerOptions"]
    mounted = {mount["name"]: mount["mountPath"] for mount in autoscaler["volumeMounts"]}
    (token,) = _tokens(head)
    assert mounted[token] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert not {mount["name"] for mount in head["containers"][0]["volumeMounts"]} & set(mounted)
    # Else the files of the autoscaler could be read below /proc.
    assert autoscaler["securityContext"]["runAsUser"] not in {0, head["securityContext"]["runAsUser"]}


@pytest.mark.parametrize("component", ["s3-identity/account", "aks/identity/account"])
def test_no_account_gives_its_token_to_pods(own, component):
    """No account mounts its token into a pod that does not ask for it."""
    made = own("base/foundation", component, part="foundation")
    accounts = [each for each in made if each["kind"] == "ServiceAccount"]
    assert len(accounts) == 3
    assert {each["automountServiceAccountToken"] for each in accounts} == {False}


def _tokens(pod):
    """The names of a pod's volumes that hold a token of its account."""
    return {
        volume["name"]
        for volume in pod["volumes"]
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", ()))
    }


@pytest.mark.parametrize("overlay", overlays())
def test_only_the_operator_reaches_a_dashboard(overlay):
    """Only the operator's pods in its namespace can reach port 8265, because its users can run code."""
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
def test_only_a_head_reaches_the_ports_of_an_api_server(overlay):
    """Workers, the submitter and the live page connect to port 443 only; the head's autoscaler also to API servers."""
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in rendered(overlay, "foundation")
        if each["kind"] == "NetworkPolicy"
    }
    ours = {"app.kubernetes.io/part-of": "tunepipe"}
    opened = {
        kind: {
            port["port"]
            for spec in policies.values()
            if selects(spec["podSelector"], {**ours, **own})
            for rule in spec.get("egress", [])
            if "to" not in rule
            for port in rule["ports"]
        }
        for kind, own in {
            "head": {"ray.io/node-type": "head"},
            "worker": {"ray.io/node-type": "worker"},
            "submitter": {},
            "page": {"app.kubernetes.io/name": "tunepipe-page"},
        }.items()
    }
    assert opened == {"head": {443, 6443, 8443, 16443}, "worker": {443}, "submitter": {443}, "page": {443}}


def _names(made):
    """The addresses at which pods may ask for names."""
    (policy,) = (each["spec"] for each in made if each["metadata"]["name"] == "dns")
    peers = [peer for rule in policy["egress"] for peer in rule["to"]]
    return {ip_network(peer["ipBlock"]["cidr"]) for peer in peers if "ipBlock" in peer}


def test_name_servers_on_nodes_are_reached(own):
    """Pods may ask the name servers that clouds run on each node, and no other address of a node or a network."""
    known = ("169.254.20.10", "169.254.25.10", "169.254.10.10", "169.254.10.11", "169.254.169.254")
    allowed = _names(rendered("dev", "foundation"))
    assert {str(address) for network in allowed for address in network} == set(known)
    auto = _names(own("base/foundation", "eks-auto/dns", part="foundation")) - allowed
    assert {str(network) for network in auto} == {"10.100.0.10/32", "172.20.0.10/32"}


@pytest.mark.parametrize("overlay", overlays())
def test_a_dashboard_requires_a_token(overlay):
    """A dashboard requires a token, also on a single machine."""
    assert ray_cluster(rendered(overlay, "cluster"))["spec"]["authOptions"] == {"mode": "token"}


def test_a_cloud_identity_is_that_of_driver_and_workers(own):
    """All pods that use the storage have one cloud account; workers get no Kubernetes token."""
    made = own("overlays/prod-gpu/foundation", "s3-identity/account", part="foundation")
    (account,) = (each for each in made if each["metadata"]["name"] == "tunepipe-storage")
    check_schema(account)
    (policy,) = (each for each in made if each["metadata"]["name"] == "identity")
    check_schema(policy)
    made = own("overlays/prod-gpu/cluster", "s3-identity/pods")
    groups = pods_of_groups(made).values()
    assert {pod["serviceAccountName"] for pod in groups} == {account["metadata"]["name"]}
    assert {pod["automountServiceAccountToken"] for pod in groups} == {False}
    cluster = ray_cluster(made)
    assert cluster["spec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_a_managed_identity_of_azure_is_that_of_driver_workers_and_page(own):
    """With Azure's identity, pods that use the storage have its account and label, and no way to metadata."""
    made = own("base/foundation", "aks/identity/account", "pull-secret", part="foundation")
    (account,) = (each for each in made if each["metadata"]["name"] == "tunepipe-storage")
    check_schema(account)
    assert set(account["metadata"]["annotations"]) == {"azure.workload.identity/client-id"}
    assert "identity" not in {each["metadata"]["name"] for each in made if each["kind"] == "NetworkPolicy"}
    made = own("base/ray", "aks/gpu-t4", "page", "aks/identity/pods")
    cluster = ray_cluster(made)["spec"]
    (page,) = (each["spec"] for each in made if each["kind"] == "Deployment")
    for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"], page):
        assert each["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        assert each["template"]["spec"]["serviceAccountName"] == "tunepipe-storage"


def test_the_live_page_can_change_nothing_and_asks_for_its_token(own):
    """The live page's pod is non-root with read-only root and volume, and requires a token except for probes."""
    (deployment,) = (each for each in own("overlays/dev/cluster", "page") if each["kind"] == "Deployment")
    check_schema(deployment)
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


def test_no_policy_lets_other_pods_reach_the_live_page(own):
    """No policy allows pods to connect to the live page, which can reach names and HTTPS, but no node of Ray."""
    (deployment,) = (each for each in own("overlays/dev/cluster", "page") if each["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    components = ("monitoring", "s3-keys", "s3-identity/account")
    made = own("overlays/dev/foundation", *components, part="foundation")
    policies = {each["metadata"]["name"]: each["spec"] for each in made if each["kind"] == "NetworkPolicy"}
    page = {name for name, spec in policies.items() if selects(spec["podSelector"], labels)}
    assert page == {"default-deny", "dns", "https", "metrics", "s3", "identity"}
    # Prometheus may read a port on which the page does not listen.
    assert {name: policies[name]["ingress"] for name in page if "ingress" in policies[name]} == {
        "metrics": policies["metrics"]["ingress"]
    }
    assert [rule["ports"] for rule in policies["metrics"]["ingress"]] == [[{"protocol": "TCP", "port": 8080}]]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [8484]
    # Pods of Ray clusters and of submitters have another name, or none.
    for name in ({"app.kubernetes.io/name": "kuberay"}, {}):
        assert selects(policies["ray"]["podSelector"], {"app.kubernetes.io/part-of": "tunepipe", **name})


def test_the_live_page_can_read_an_object_store(own):
    """The live page reads the optional Secret with an object store's keys and has the cloud identity of the studies."""
    made = own("overlays/dev/cluster", "page", "s3-identity/pods")
    (pod,) = (each["spec"]["template"]["spec"] for each in made if each["kind"] == "Deployment")
    assert pod["serviceAccountName"] == "tunepipe-storage"
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "tunepipe-s3", "optional": True}}]


def test_an_object_store_of_ones_own(own):
    """Every pod gets the object store's keys from an optional Secret, and a network policy opens its port."""
    cluster = ray_cluster(own("overlays/prod-gpu/cluster"))["spec"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        (container,) = group["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "tunepipe-s3", "optional": True}}]
    made = own("overlays/prod-gpu/foundation", "s3-keys", part="foundation")
    (policy,) = (each for each in made if each["metadata"]["name"] == "s3")
    check_schema(policy)


def test_a_registry_with_a_password(own):
    """The accounts of all pods, with a cloud identity, too, have the registry's secret, and so has the head's pod."""
    secret = [{"name": "tunepipe-registry"}]
    made = own("overlays/prod-gpu/foundation", "s3-identity/account", "pull-secret", part="foundation")
    accounts = {each["metadata"]["name"]: each for each in made if each["kind"] == "ServiceAccount"}
    assert set(accounts) == {"tunepipe-worker", "tunepipe-submitter", "tunepipe-storage"}
    assert [each["imagePullSecrets"] for each in accounts.values()] == [secret] * len(accounts)
    own("overlays/prod-gpu/cluster", "s3-identity/pods", "pull-secret/pods")
    (job,) = own("../cluster", "study", part="study")
    assert job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["imagePullSecrets"] == secret
    assert {pod["serviceAccountName"] for pod in pods(job)} == {"tunepipe-worker", "tunepipe-storage"}


def test_openshift_chooses_every_user(own):
    """With the component `openshift`, no pod and no container names a user, and users' code sees no autoscaler."""
    for part, below, components in (
        ("cluster", "base/ray", ("gpu-l4", "page", "openshift")),
        ("study", "../cluster", ("study",)),
    ):
        made = own(below, *components, part=part)
        found = [pod for each in made for pod in pods(each)]
        assert len(found) >= 4
        for pod in found:
            assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
            assert not any("runAsUser" in container["securityContext"] for container in pod["containers"])
        ray = next(each for each in made if each["kind"] in RAY)["spec"]
        ray = ray.get("rayClusterSpec", ray)
        assert "runAsUser" not in ray["autoscalerOptions"]["securityContext"]
        # The autoscaler has a token, and the user of the head's other container.
        assert "shareProcessNamespace" not in ray["headGroupSpec"]["template"]["spec"]
