"""Reading a study through a pod. The pod itself is tried in tests/kubernetes."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.client import (
    V1ContainerState,
    V1ContainerStateWaiting,
    V1ContainerStatus,
    V1ObjectMeta,
    V1Pod,
    V1PodCondition,
    V1PodStatus,
)

from pipeline.cluster import volume_reader
from pipeline.errors import ClusterError, StorageError


class Answer:
    """A stream that has all of a pod's output from the beginning."""

    def __init__(self, **channels: bytes) -> None:
        self._channels = channels

    def close(self) -> None:
        """Do nothing."""

    def is_open(self) -> bool:
        """Whether more output may follow, which it never does."""
        return False

    def update(self, timeout: float) -> None:
        """Do nothing, because all output is there."""

    def read_channel(self, channel: int) -> bytes:
        """Standard output, standard error, how it ended."""
        return self._channels.pop({1: "out", 2: "err", 3: "end"}[channel], b"")


def failure(code: int) -> bytes:
    """The status of a command that ended with a code."""
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"status": "Failure", "message": f"exit code {code}", "details": {"causes": causes}}
    return json.dumps(status).encode()


@pytest.mark.parametrize(
    ("channels", "reported"),
    [
        ({"out": b"ta"}, "the connection was lost. `tunepipe results s --kubernetes` tries again"),
        ({"err": b"tar: broken", "end": failure(2)}, "tar: broken. `tunepipe results s --kubernetes`"),
        ({"err": b"tar: s: Cannot stat: No such file or directory", "end": failure(2)}, "it has recorded nothing yet"),
        ({"err": b"tar: s/epochs/1.parquet: File removed before we read it", "end": failure(1)}, "File removed"),
        ({"end": b'{"status": "Failure", "message": "no such container"}'}, "no such container"),
    ],
)
def test_a_failed_download_is_reported(channels, reported, tmp_path, monkeypatch):
    """A failed command or a lost connection during a download is reported, and a complete download is written."""
    monkeypatch.setattr(volume_reader, "stream", lambda *_, **__: Answer(**channels))
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    with pytest.raises(ClusterError, match=reported):
        volume_reader.read_study(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")
    monkeypatch.setattr(volume_reader, "stream", lambda *_, **__: Answer(out=b"tar", end=b'{"status": "Success"}'))
    volume_reader.read_study(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")
    assert (tmp_path / "s.tar").read_bytes() == b"tar"


def test_a_connection_that_stays_silent_is_lost(tmp_path, monkeypatch):
    """A connection that stays open and sends nothing more, as behind a network that was lost, is not read forever."""
    silent = Answer(out=b"ta")
    monkeypatch.setattr(silent, "is_open", lambda: True)
    monkeypatch.setattr(volume_reader, "stream", lambda *_, **__: silent)
    monkeypatch.setattr(volume_reader, "SILENT_SECONDS", 0.0)
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    with pytest.raises(ClusterError, match="the connection was lost"):
        volume_reader.read_study(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")


def test_a_study_that_changes_is_read_again_only_if_a_file_disappeared(tmp_path, monkeypatch):
    """A study whose part disappears is read again; one whose log grows while it is read is complete."""
    grew = {"out": b"whole", "err": b"tar: s/logs/0000.log: file changed as we read it", "end": failure(1)}
    removed = {"out": b"part", "err": b"tar: s/epochs/1.parquet: File removed before we read it", "end": failure(1)}
    answers = [Answer(**removed), Answer(**grew)]
    monkeypatch.setattr(volume_reader, "stream", lambda *_, **__: answers.pop(0))
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    volume_reader.read_study(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")
    assert (tmp_path / "s.tar").read_bytes() == b"whole"
    assert answers == []


def test_a_full_disk_is_not_a_lost_connection(tmp_path, monkeypatch):
    """An archive that cannot be written is reported with its file, and not as a cluster that cannot be reached."""
    asked = []

    def stream(*_, **options):
        asked.append(options["container"])
        return Answer(out=b"tar", end=b'{"status": "Success"}')

    monkeypatch.setattr(volume_reader, "stream", stream)
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    with pytest.raises(StorageError, match=r"written to /dev/full: No space left on device\. Free some space"):
        volume_reader.read_study(client.CoreV1Api(), pod, "/studies", "s", Path("/dev/full"))
    assert asked == ["reader"]


class Pods:
    """An API that creates a pod and returns its states, one after the other."""

    def __init__(self, *states: V1Pod) -> None:
        self.states, self.created, self.deleted = list(states), [], []

    def create_namespaced_pod(self, _namespace, pod):
        """Keep the pod."""
        self.created.append(pod)
        return V1Pod(metadata=V1ObjectMeta(name="p"))

    def read_namespaced_pod(self, _name, _namespace):
        """Its next state."""
        return self.states.pop(0)

    def list_namespaced_event(self, _namespace, field_selector):
        """No event of that kind."""
        return client.CoreV1EventList(items=[]) if field_selector == "type=Warning" else None

    def delete_namespaced_pod(self, name, _namespace):
        """Keep that it was deleted."""
        self.deleted.append(name)


def reader(**state) -> V1Pod:
    """A running pod whose container that reads has a state, with one of a service mesh that runs."""
    proxy = V1ContainerState(running={})
    names = {"proxy": proxy, "reader": V1ContainerState(**state)}
    statuses = [
        V1ContainerStatus(name=name, image="x", image_id="", ready=True, restart_count=0, state=each)
        for name, each in names.items()
    ]
    return V1Pod(metadata=V1ObjectMeta(name="p"), status=V1PodStatus(phase="Running", container_statuses=statuses))


def test_a_pod_reads_when_its_own_container_runs(monkeypatch):
    """A reader starts when its own container runs, and mounts the part of the volume that the head mounts."""
    monkeypatch.setattr(volume_reader, "POLL_SECONDS", 0.0)
    core = Pods(reader(waiting=V1ContainerStateWaiting(reason="PodInitializing")), reader(running={}))
    template = {"containers": [{"name": "submitter", "image": "x", "args": ["--verbose"]}], "initContainers": [{}]}
    job = {"metadata": {"name": "s-1", "namespace": "n"}, "spec": {"submitterPodTemplate": {"spec": template}}}
    volume = {"name": "lab", "persistentVolumeClaim": {"claimName": "lab"}}
    mount = {"name": "lab", "mountPath": "/studies", "subPath": "ana"}
    with volume_reader.reader_pod(core, job, volume, mount):
        assert core.states == []
    (created,) = core.created
    (container,) = created["spec"]["containers"]
    assert (container["command"][0], container["args"]) == ("sleep", [])
    assert container["volumeMounts"] == [
        {"name": "studies", "mountPath": "/studies", "subPath": "ana", "readOnly": True}
    ]
    assert "initContainers" not in created["spec"]
    assert core.deleted == ["p"]


def test_a_pod_that_reads_has_the_labels_that_a_cluster_requires(monkeypatch):
    """A reader has the labels and annotations of its template, its own name, and none that opens the network."""
    monkeypatch.setattr(volume_reader, "POLL_SECONDS", 0.0)
    core = Pods(reader(running={}))
    marks = {
        "labels": {
            "app.kubernetes.io/name": "tunepipe-submitter",
            "app.kubernetes.io/part-of": "tunepipe",
            "cost": "7",
        },
        "annotations": {"sidecar.istio.io/inject": "false"},
    }
    template = {"metadata": marks, "spec": {"containers": [{"name": "submitter", "image": "x"}]}}
    job = {"metadata": {"name": "s-1", "namespace": "n"}, "spec": {"submitterPodTemplate": template}}
    volume = {"persistentVolumeClaim": {"claimName": "studies"}}
    with volume_reader.reader_pod(core, job, volume, {"mountPath": "/studies"}):
        pass
    metadata = core.created[0]["metadata"]
    assert metadata["labels"] == {"app.kubernetes.io/name": "tunepipe-reader", "cost": "7"}
    assert metadata["annotations"] == {"sidecar.istio.io/inject": "false"}


class Clock:
    """The times of a monotonic clock."""

    def __init__(self, *moments):
        self.moments = list(moments)

    def monotonic(self):
        """The next moment."""
        return self.moments.pop(0)

    def sleep(self, _seconds):
        """Do not wait."""


def waiting(reason) -> V1Pod:
    """A pod that waits for a node, or on its node for its volume."""
    conditions = [V1PodCondition(type="PodScheduled", status="False", message=reason)] if reason else []
    return V1Pod(metadata=V1ObjectMeta(name="p"), status=V1PodStatus(phase="Pending", conditions=conditions))


@pytest.mark.parametrize(
    ("states", "moments", "reported"),
    [
        ([waiting("0/3 nodes"), waiting(""), reader(running={})], (0, 290, 400), None),
        ([waiting("0/3 nodes"), waiting("0/3 nodes")], (0, 290, 301), "waits for a node: 0/3 nodes"),
        ([waiting("0/3 nodes"), waiting("")], (0, 290, 411), "it is Pending"),
        ([waiting("")], (0, 121), "it is Pending"),
    ],
)
def test_a_node_may_be_started_for_the_pod_that_reads(states, moments, reported, monkeypatch):
    """A reader waits five minutes for a node, which may have to be started, and two more on that node."""
    monkeypatch.setattr(volume_reader, "time", Clock(*moments))
    core = Pods(*states)
    template = {"spec": {"containers": [{"name": "submitter", "image": "x"}]}}
    job = {"metadata": {"name": "s-1", "namespace": "n"}, "spec": {"submitterPodTemplate": template}}
    volume = {"persistentVolumeClaim": {"claimName": "studies"}}
    refused = nullcontext() if reported is None else pytest.raises(ClusterError, match=reported)
    with refused, volume_reader.reader_pod(core, job, volume, {"mountPath": "/studies"}):
        pass
    assert core.states == []
    assert core.deleted == ["p"]
