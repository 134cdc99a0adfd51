"""Studies in a queue of Kueue, and their priorities."""

import pytest

import tune_jobs
from pipeline.cluster.overlays import overlays, rendered
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError


def test_kueue_queues_a_study(own, tmp_path):
    """A queued RayJob names its queue and requests its whole plan first, because Kueue admits no autoscaling."""
    (job,) = own("overlays/dev/study", "kueue", part="study")
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is False
    tuned = tune_jobs.find("beale").replaced({"resources.gpus": 1, "budget.trials": 3})
    made = study_manifests(tuned, "beale", str(tmp_path), "/studies", [])
    replicas = {each["groupName"]: each["replicas"] for each in made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    assert replicas == {"gpu-l4": 3}
    labels = {name: value for name, value in made.job["metadata"]["labels"].items() if name.startswith("kueue")}
    assert labels == {"kueue.x-k8s.io/queue-name": "tunepipe", "kueue.x-k8s.io/priority-class": "tunepipe"}
    assert "the cluster has 3 GPUs from start to end:" in str(made.plan)
    assert "autoscaling" not in str(made.plan)
    high = study_manifests(tuned, "beale", str(tmp_path), "/studies", [], priority="tunepipe-high").job
    assert high["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "tunepipe-high"
    team = study_manifests(tuned, "beale", str(tmp_path), "/studies", [], queue="team-a").job
    assert team["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    with pytest.raises(ClusterError, match=r"--queue is for clusters with Kueue.*'dev' has no queue"):
        study_manifests(tuned, "beale", "dev", "/studies", [], queue="team-a")
    with pytest.raises(ClusterError, match=r"--priority is for clusters with Kueue.*'dev' has no queue"):
        study_manifests(tuned, "beale", "dev", "/studies", [], priority="tunepipe-high")


def test_a_study_in_a_queue_releases_its_pods_without_api_rights(own):
    """A queued study has no autoscaler, no rights to the API server, and a cloud identity only for its head."""
    (job,) = own("overlays/dev/study", "kueue", part="study")
    assert job["spec"]["ttlSecondsAfterFinished"] == 0
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert head["automountServiceAccountToken"] is False
    assert head["serviceAccountName"] == "tunepipe-worker"
    (job,) = own("base/ray", "s3-identity/pods", "study", "kueue", part="study")
    assert (
        job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["serviceAccountName"] == "tunepipe-storage"
    )


def test_priorities_of_studies_are_not_those_of_pods(own):
    """The workload classes of studies have the default priority 0, a lower one and a higher one."""
    made = own("overlays/prod-gpu/foundation", "kueue/priorities", part="foundation")
    classes = {each["metadata"]["name"]: each["value"] for each in made if each["kind"] == "WorkloadPriorityClass"}
    assert classes == {"tunepipe": 0, "tunepipe-low": -100, "tunepipe-high": 100}


@pytest.mark.parametrize("overlay", overlays())
def test_no_pod_of_a_study_puts_out_another(overlay):
    """The pods' priority classes never preempt other pods."""
    classes = [each for each in rendered(overlay, "foundation") if each["kind"] == "PriorityClass"]
    assert {each["preemptionPolicy"] for each in classes} == {"Never"}
