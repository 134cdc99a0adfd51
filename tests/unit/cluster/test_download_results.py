"""Which volume holds the results, and what is unpacked. The pod that reads it is tried in tests/kubernetes."""

import io
import json
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest

import tune_jobs
from pipeline.cluster import download_results as module
from pipeline.cluster.download_results import download_results, volume_of
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import StorageError


def _rayjob() -> dict:
    return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", []).job


@pytest.mark.parametrize(
    ("storage", "place"), [("/studies", "/studies"), ("/studies/lab/one", "/studies"), ("/tmp", None), ("s3://b", None)]
)
def test_the_volume_is_the_one_that_the_head_mounts_there(storage, place):
    """The volume of a study is the claim that the head mounts at the storage or above it, and not a scratch volume."""
    found = volume_of(_rayjob(), storage)
    assert (found and found[1]["mountPath"]) == place
    assert found is None or found[0]["persistentVolumeClaim"] == {"claimName": "studies"}


def test_the_nearest_mount_is_read_as_the_head_mounts_it():
    """Of two mounts above a storage the nearer one counts, with the part of the volume that it shows."""
    job = _rayjob()
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    head["volumes"].append({"name": "lab", "persistentVolumeClaim": {"claimName": "lab"}})
    nested = {"name": "lab", "mountPath": "/studies/lab", "subPath": "ana"}
    head["containers"][0]["volumeMounts"].append(nested)
    assert volume_of(job, "/studies/lab/one") == (
        {"name": "lab", "persistentVolumeClaim": {"claimName": "lab"}},
        nested,
    )
    assert volume_of(job, "/studies/other")[1]["mountPath"] == "/studies"


@pytest.fixture
def archive(monkeypatch) -> io.BytesIO:
    """The archive that a pod returns."""
    content = io.BytesIO()

    @contextmanager
    def no_pod(*_):
        yield {}

    monkeypatch.setattr(module, "reader_pod", no_pod)
    monkeypatch.setattr(module, "read_study", lambda *given: Path(given[-1]).write_bytes(content.getvalue()))
    return content


def _add(packed: tarfile.TarFile, name: str, content: bytes = b"", **fields) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    packed.addfile(member, io.BytesIO(content))


def test_links_and_pipes_of_a_trial_are_left_out(archive, tmp_path):
    """A study is copied although its trials have made links out of the storage, links to nowhere, pipes and devices."""
    session = json.dumps({"mark": "m", "started": "monday", "state": "finished"}).encode()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        _add(packed, "s/sessions/0001.json", session)
        _add(packed, "s/files/0001/notes.txt", b"mine")
        for name, target in (("absolute", "/etc/passwd"), ("out", "../../../../x"), ("within", "notes.txt")):
            _add(packed, f"s/files/0001/{name}", type=tarfile.SYMTYPE, linkname=target)
        _add(packed, "s/files/0001/pipe", type=tarfile.FIFOTYPE)
        _add(packed, "s/files/0001/device", type=tarfile.CHRTYPE)
        _add(packed, "../out.txt", b"out")
    assert download_results(None, _rayjob(), "s", "/studies", tmp_path / "to") == tmp_path / "to/s"
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir())
    assert found == ["to/s/files/0001/notes.txt", "to/s/sessions/0001.json"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_not_the_clusters_fault(archive, tmp_path, place):
    """A folder for results that is a file is reported as that, and not as a cluster that cannot be reached."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"for results cannot be written: .*--to"):
        download_results(None, _rayjob(), "s", "/studies", tmp_path / place)
