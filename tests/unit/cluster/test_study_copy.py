"""Where the study of a RayJob is read: a server on loopback answers as Kubernetes does; the pod is a fake."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cluster import download_results
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.overlays import rayjob_template
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, STUDY_ANNOTATION
from pipeline.cluster.study_copy import readable_study
from pipeline.errors import ClusterError, JobNotFound
from tests.unit.cluster.kubernetes_server import RAYJOBS, rayjob


def of_study(storage: str, name: str = "s-1", study: str = "s") -> dict:
    """A RayJob of a study in a storage, with the volumes of an overlay."""
    job = rayjob("Running", name)
    job["spec"] = rayjob_template("local-cpu")["spec"]
    job["metadata"] |= {
        "labels": {"tunepipe/study": "s"},
        "annotations": {STORAGE_ANNOTATION: storage, STUDY_ANNOTATION: study},
    }
    return job


class _Read(Exception):
    """The pod was asked: what follows is that of a submission."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What a pod was asked to read: the RayJob, the storage and the study."""
    asked: list[tuple[str, ...]] = []

    @contextmanager
    def no_pod(_core, job, *_volume):
        yield {"metadata": {"name": job["metadata"]["name"], "namespace": job["metadata"]["namespace"]}}

    def read_study(_core, pod, storage, study, _archive):
        asked.append((pod["metadata"]["name"], storage, study))
        raise _Read

    monkeypatch.setattr(download_results, "reader_pod", no_pod)
    monkeypatch.setattr(download_results, "read_study", read_study)
    return asked


def test_a_study_in_an_object_store_is_read_there(api_server, tmp_path: Path, read) -> None:
    """A study whose RayJob names an object store is read there by its own name, and nothing is copied."""
    api_server.answers[RAYJOBS] = [{"items": [of_study("s3://bucket/lab", study="my.study")]}]
    assert readable_study(Kubernetes(None, "tunepipe"), "s-1", tmp_path) == ("s3://bucket/lab", "my.study")
    assert read == []


@pytest.mark.parametrize(("storage", "job"), [(None, "s-2"), ("/studies/a", "s-1"), ("/studies/b", "s-2")])
def test_a_study_on_a_volume_is_copied(api_server, tmp_path: Path, read, storage: str | None, job: str) -> None:
    """A study on a volume is read by a pod of its newest RayJob, or of the newest one with the given storage."""
    jobs = [of_study("/studies/a", "s-1"), of_study("/studies/b", "s-2")]
    jobs[0]["status"]["jobDeploymentStatus"] = "Complete"
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    with pytest.raises(_Read):
        readable_study(Kubernetes(None, "tunepipe"), "s", tmp_path, storage=storage)
    assert read == [(job, storage or "/studies/b", "s")]


def test_a_study_without_a_rayjob_is_read_by_a_pod_of_an_overlay(api_server, tmp_path: Path, read) -> None:
    """A study whose RayJob was deleted needs a storage and an overlay, whose pods mount the volume."""
    server = Kubernetes(None, "tunepipe")
    with pytest.raises(JobNotFound, match=r"There are none.*--storage and --overlay"):
        readable_study(server, "s", tmp_path, storage="/studies")
    with pytest.raises(_Read):
        readable_study(server, "s", tmp_path, storage="/studies", overlay="local-cpu")
    assert read == [("study", "/studies", "s")]


def test_a_rayjob_without_a_storage_needs_one(api_server, tmp_path: Path) -> None:
    """A RayJob without a storage in its annotations is refused with the option that names it."""
    job = of_study("/studies")
    del job["metadata"]["annotations"][STORAGE_ANNOTATION]
    api_server.answers[RAYJOBS] = [{"items": [job]}]
    with pytest.raises(JobNotFound, match="give it with --storage"):
        readable_study(Kubernetes(None, "tunepipe"), "s", tmp_path)


def test_pods_without_the_volume_of_a_study_are_named(api_server, tmp_path: Path) -> None:
    """A study in a folder that neither the pods nor this machine have is refused with the options to change."""
    server, away = Kubernetes(None, "tunepipe"), str(tmp_path / "away")
    for overlay, whose in (("local-cpu", "the overlay 'local-cpu'"), (None, "the RayJob 's-1'")):
        api_server.answers[RAYJOBS] = [{"items": [] if overlay else [of_study(away)]}]
        with pytest.raises(ClusterError, match=f"The pods of {whose} mount no volume claim at .*away.*--storage"):
            readable_study(server, "s", tmp_path, storage=away, overlay=overlay)
    (tmp_path / "away").mkdir()
    assert readable_study(server, "s", tmp_path, storage=away) == (away, "s")
