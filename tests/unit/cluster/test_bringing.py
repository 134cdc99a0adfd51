"""Results from a volume: which volume it is, and what they may replace. The pod itself is tried in tests/kubernetes."""

import pytest
from kubernetes import client

import tune_jobs
from pipeline.cluster import bringing
from pipeline.cluster.bringing import _put, volume_of
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError


@pytest.mark.parametrize(
    ("storage", "place"), [("/studies", "/studies"), ("/studies/lab/one", "/studies"), ("/tmp", None), ("s3://b", None)]
)
def test_the_volume_is_the_one_that_the_head_mounts_there(storage, place):
    """A claim, at the path or above it; scratch volumes and object stores are none."""
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", storage, [])
    found = volume_of(made.job, storage)
    assert (found and found[1]) == place
    assert found is None or found[0]["persistentVolumeClaim"] == {"claimName": "studies"}


class Answer:
    """What a pod sends back, all at once."""

    def __init__(self, **channels: bytes) -> None:
        self._channels = channels

    def close(self) -> None:
        """Nothing is held."""

    def is_open(self) -> bool:
        """It has all come."""
        return False

    def update(self, timeout: float) -> None:
        """Nothing more comes."""

    def read_channel(self, channel: int) -> bytes:
        """Standard output, standard error, how it ended."""
        return self._channels.pop({1: "out", 2: "err", 3: "end"}[channel], b"")


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ({"out": b"ta"}, "the connection was lost. Submitted again"),
        ({"err": b"tar: gone", "end": b'{"status": "Failure", "message": "exit code 2"}'}, "tar: gone. Submitted"),
        ({"end": b'{"status": "Failure", "message": "no such container"}'}, "no such container"),
    ],
)
def test_what_cannot_be_brought_is_told(channels, told, tmp_path, monkeypatch):
    """A command that failed, and a connection that was lost in the middle."""
    monkeypatch.setattr(bringing, "stream", lambda *_, **__: Answer(**channels))
    pod = {"metadata": {"name": "p", "namespace": "n"}}
    with pytest.raises(ClusterError, match=told):
        bringing._read(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")
    monkeypatch.setattr(bringing, "stream", lambda *_, **__: Answer(out=b"tar", end=b'{"status": "Success"}'))
    bringing._read(client.CoreV1Api(), pod, "/studies", "s", tmp_path / "s.tar")
    assert (tmp_path / "s.tar").read_bytes() == b"tar"


def brought(folder, began: str):
    """A study that began at some time."""
    (folder / "sessions").mkdir(parents=True)
    (folder / "sessions/0001.json").write_text(began)
    return folder


def test_what_was_brought_before_is_replaced(tmp_path):
    """The same study, with more in it."""
    brought(tmp_path / "here", "monday")
    newer = brought(tmp_path / "newer", "monday")
    (newer / "trials.parquet").write_text("more")
    _put(newer, tmp_path / "here")
    assert (tmp_path / "here/trials.parquet").read_text() == "more"


def test_another_study_of_the_same_name_is_left_alone(tmp_path):
    """Told, with what to do; both are still there."""
    here, other = brought(tmp_path / "here", "monday"), brought(tmp_path / "other", "tuesday")
    with pytest.raises(ClusterError, match=r"here holds another study.*--to"):
        _put(other, here)
    assert (here / "sessions/0001.json").read_text() == "monday"
    assert other.exists()
