"""Reading a study through a pod. The pod itself is tried in tests/kubernetes."""

import pytest
from kubernetes import client

from pipeline.cluster import volume_reader
from pipeline.errors import ClusterError


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


@pytest.mark.parametrize(
    ("channels", "reported"),
    [
        ({"out": b"ta"}, "the connection was lost. Submit it again"),
        (
            {"err": b"tar: gone", "end": b'{"status": "Failure", "message": "exit code 2"}'},
            "tar: gone. Submit it again",
        ),
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
