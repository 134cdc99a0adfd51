"""Reading a study through a pod. The pod itself is tried in tests/kubernetes."""

import json

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
