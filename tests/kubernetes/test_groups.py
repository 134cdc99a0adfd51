"""Other clusters: shared and partitioned GPUs from zero workers, spot nodes that end, other users."""

from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.groups import changed, cluster_with, labelled
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.user import HEAD, Following, applied, epochs_on_volume, objects, readable_tokens, running
from tests.manifests import documented_values

pytestmark = pytest.mark.usefixtures("gone")

COUNTED = str(Path(__file__).with_name("counted.py"))
SLOW_EPOCHS = str(Path(__file__).with_name("slow_epochs.py"))


RUNTIME = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "runc"}
"""The class that NVIDIA's GPU operator makes, with the runtime of the test bed."""


def test_a_study_runs_with_the_values_of_the_documentation(tmp_path):
    pods = {"headGroupSpec": ("200m", "2"), **{f"workerGroupSpecs/{number}": ("1", "1") for number in range(3)}}
    sizes = [
        {"op": "replace", "path": f"/spec/rayClusterSpec/{pod}/template/spec/containers/0/{path}", "value": value}
        for pod, cpus in pods.items()
        for kind, cpu in zip(("requests", "limits"), cpus, strict=True)
        for path, value in ((f"resources/{kind}/cpu", cpu), (f"resources/{kind}/memory", "3Gi"))
    ]
    values = changed(tmp_path / "values", *sizes, values=documented_values(tmp_path))
    options = ("--gpus-per-trial", "0.5", "--workers", "2")
    with applied(RUNTIME), labelled("nvidia.com/gpu.product", "NVIDIA-L4"):
        study = Following(tmp_path, COUNTED, *options, "--values", str(values), image=None)
        study.until("a worker", lambda: bool(running("ray.io/group=gpu-l4")))
        specs = [each["spec"] for each in objects("pods")]
        assert study.ended() == 0, study.reported
    images = {container["image"].rpartition(":")[0] for spec in specs for container in spec["containers"]}
    assert images == {"registry.lab/tunepipe-cpu", "registry.lab/tunepipe-gpu"}
    assert "nvidia" in {spec.get("runtimeClassName") for spec in specs}
    results = load_results(tmp_path / "studies/counted")
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])


def test_a_spot_node_leaves(tmp_path):
    """A Keras trial whose epochs take 20 s loses at most the epoch in training, and the pod ends within its notice."""
    # Not a GPU that is only counted: Keras would look for it.
    spot = {"cloud.google.com/gke-spot": "true"}
    group = {"gpu": "l4", "spot": True}
    values = cluster_with(tmp_path / "values", group, nodes=spot, cloud="gke")
    with labelled("cloud.google.com/gke-spot", "true"):
        study = Following(tmp_path, SLOW_EPOCHS, "--workers", "1", "--values", str(values))
        study.until("two epochs", lambda: epochs_on_volume("slow-epochs").get("0000", 0) >= 2)
        (worker,) = running("ray.io/group=gpu-l4-spot")
        before = epochs_on_volume("slow-epochs")["0000"]
        kubectl("delete", "pod", worker, "-n", "tunepipe", "--timeout=20s")
        assert study.ended() == 0, study.reported
    epochs = load_results(tmp_path / "studies/slow-epochs").epochs.sort_values("epoch")
    assert list(epochs["epoch"]) == [1, 2, 3, 4]
    # What was recorded before the notice has not been trained again.
    assert set(epochs.loc[epochs["epoch"] <= before, "attempt"]) == {1}
    assert set(epochs["attempt"]) == {1, 2}


def test_a_study_runs_as_any_user_of_group_0_without_a_token_of_the_api(tmp_path):
    chosen = {"runAsUser": 1000680000, "runAsGroup": 0, "fsGroup": 1000680000}
    pods = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")
    by_policy = [
        {"op": "add", "path": f"/spec/{pod}/template/spec/securityContext/{name}", "value": value}
        for pod in pods
        for name, value in chosen.items()
    ]
    values = cluster_with(tmp_path / "values", {"gpu": "l4"}, more=by_policy, openshift=True)
    study = Following(tmp_path, COUNTED, "--workers", "2", "--values", str(values))
    study.until("a worker", lambda: bool(running("ray.io/group=gpu-l4")))
    (head,) = running(HEAD)
    assert readable_tokens(head, "ray-head") == []
    assert readable_tokens(head, "autoscaler") != []
    assert study.ended() == 0, study.reported
    assert len(load_results(tmp_path / "studies/counted").epochs) == 12
    owners = {path.stat().st_uid for path in (SHARE / "counted").rglob("*")}
    assert owners == {chosen["runAsUser"]}
