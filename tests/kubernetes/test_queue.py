"""Studies in a Kueue queue that two teams share: admitted, waiting, preempted, and continued."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline import load_results
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.kueue import start_kueue, stop_kueue
from tests.kubernetes.user import SLOW_STUDY, Following, objects, submit, tunepipe, until
from tests.manifests import FOUNDATION, charted
from tests.study_comparison import differences

QUEUE = Path(__file__).with_name("queue") / "values.yaml"
COUNTED = (str(Path(__file__).with_name("counted.py")), "--gpus-per-trial", "1", "--workers", "2")
GPUS = 2
"""The quota of both teams together, and what every workload here asks for."""


@pytest.fixture(scope="module", autouse=True)
def kueue(foundation) -> Iterator[None]:
    """Kueue with a queue for each team, for this module only."""
    try:
        start_kueue()
        kubectl("apply", "--server-side", "-f", str(QUEUE.with_name("queues.yaml")))
        classes = charted(kueue={"enabled": True}, **FOUNDATION)
        made = [each for (kind, _), each in classes.items() if kind == "WorkloadPriorityClass"]
        kubectl("apply", "--server-side", "-f", "-", said=yaml.safe_dump_all(made))
        yield
    finally:
        kubectl("delete", "namespace", "other-team", "--ignore-not-found")
        stop_kueue()


@pytest.fixture(autouse=True)
def left(kueue, gone) -> Iterator[None]:
    """Deletes the other team's Jobs after a test."""
    yield
    kubectl("delete", "jobs", "--all", "-n", "other-team")


def submit_other(priority: str | None = None) -> None:
    """Submit a Job of the other team that holds every GPU until it is deleted."""
    labels = {"kueue.x-k8s.io/queue-name": "other-team"}
    labels |= {"kueue.x-k8s.io/priority-class": priority} if priority else {}
    wanted = {"cpu": "10m", "memory": "16Mi", "nvidia.com/gpu": str(GPUS)}
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": [{"name": "c", "image": "localhost/pause:1", "resources": {"limits": wanted}}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "other", "namespace": "other-team", "labels": labels},
        "spec": {"template": {"spec": pod}},
    }
    kubectl("create", "-f", "-", said=json.dumps(job))


def other_runs() -> bool:
    """Whether the other team's Job has a running pod."""
    pods = json.loads(kubectl("get", "pods", "-n", "other-team", "-o", "json"))["items"]
    return [each["status"]["phase"] for each in pods] == ["Running"]


def test_a_study_waits_for_quota_and_runs(tmp_path):
    submit_other()
    until("the other team to run", other_runs)
    study = Following(tmp_path, *COUNTED, "--values", str(QUEUE))
    study.until("it to wait", lambda: "counted-1: suspended" in study.reported)
    assert "suspended" in tunepipe("status", "--kubernetes")
    assert "gpu-a100" not in study.reported
    assert f"the cluster has {GPUS} GPUs from start to end:" in study.reported
    assert "autoscaling" not in study.reported
    assert objects("pods") == []
    assert other_runs()
    kubectl("delete", "job", "other", "-n", "other-team")
    assert study.ended() == 0, study.reported
    assert len(load_results(tmp_path / "studies/counted").trials) == 4
    until("the end of the cluster", lambda: not objects("pods", "ray.io/is-ray-node=yes"))


def test_a_study_that_wants_more_than_its_queue_has_ends_with_the_sentence_of_kueue(tmp_path):
    (values := tmp_path / "values.yaml").write_text(QUEUE.read_text().replace("max: 2}", "max: 3}", 1))
    code, reported = submit(tmp_path, *COUNTED[:-1], "3", "--values", str(values))
    assert code == 2, reported
    assert "insufficient quota for nvidia.com/gpu in flavor any" in reported
    assert reported.rstrip().endswith("Its queue has room for --workers 2."), reported
    assert objects("rayjobs") == []


def test_a_preempted_study_comes_back(tmp_path, undisturbed):
    study = Following(tmp_path, *SLOW_STUDY, "--values", str(QUEUE), "--priority", "tunepipe-low")
    study.until("a trial to train", lambda: study.has_trained)
    submit_other("tunepipe-high")
    study.until("the other team to run", other_runs)
    kubectl("delete", "job", "other", "-n", "other-team")
    assert study.ended() == 0, study.reported
    assert "slow-study-1: suspended" in study.reported
    assert "Traceback" not in study.reported
    found = load_results(tmp_path / "studies/slow-study")
    assert [each.state for each in found.sessions] == ["interrupted", "ended"]
    assert differences(undisturbed, found) == []
