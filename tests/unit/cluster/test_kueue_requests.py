"""The queue of a RayJob: a server on loopback that answers as Kubernetes does."""

import pytest

import tune_jobs
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError
from tests.unit.cluster.kubernetes_server import rayjob

KUEUE = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe"


def test_a_rayjob_is_created_only_for_a_queue_that_exists(api_server):
    """A RayJob whose queue does not exist is not created; where queues cannot be listed, it is."""
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [])
    made.job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "mine"
    queues = f"{KUEUE}/localqueues"
    api_server.answers[queues] = [{"items": [{"metadata": {"name": "team-a"}}]}]
    with pytest.raises(ClusterError, match=r"no LocalQueue 'mine' .* Available: team-a; --queue"):
        Kubernetes(None, "tunepipe").apply(made)
    assert api_server.posted == []
    api_server.gone.add(queues)
    assert Kubernetes(None, "tunepipe").apply(made)


def test_a_rayjob_in_a_queue_says_that_it_waits(api_server):
    """A suspended RayJob waits in its queue, even where Kueue's workloads cannot be listed; one that runs does not."""
    job = rayjob("Suspended")
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
    job["spec"]["suspend"] = True
    api_server.gone.add(f"{KUEUE}/workloads")
    server = Kubernetes(None, "tunepipe")
    assert server.queued(job) == "s-1 waits in the queue 'gpus'"
    job["spec"]["suspend"] = False
    assert server.queued(job) is None
