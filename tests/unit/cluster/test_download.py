"""Studies that are read from a cluster's volume. The pod itself is tried in tests/kubernetes."""

import io
import json
import tarfile
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from pipeline.cluster import download
from pipeline.cluster.download import download_results, merge_study, read_study, readable_study
from pipeline.cluster.rayjob import rayjob_template, volume_at
from pipeline.cluster.submissions import STUDY_ANNOTATION
from pipeline.errors import ClusterError, JobNotFound, StorageError, UserError
from pipeline.storage import Store
from tests.kubernetes_server import CORE, RAYJOBS, pod, rayjob


def of_study(storage: str = "/studies", name: str = "s-1", study: str = "s") -> dict:
    job = {**rayjob("Running", name, storage), "spec": rayjob_template("local-cpu")["spec"]}
    job["metadata"]["annotations"][STUDY_ANNOTATION] = study
    return job


def test_the_nearest_mount_is_read_as_the_head_mounts_it():
    head = of_study()["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    head["volumes"].append({"name": "lab", "persistentVolumeClaim": {"claimName": "lab"}})
    nested = {"name": "lab", "mountPath": "/studies/lab", "subPath": "ana"}
    head["containers"][0]["volumeMounts"].append(nested)
    assert volume_at(head, "/studies/lab/one") == (head["volumes"][-1], nested)
    volume, mount = volume_at(head, "/studies/other")
    assert (volume["persistentVolumeClaim"], mount["mountPath"]) == ({"claimName": "studies"}, "/studies")
    assert volume_at(head, "/elsewhere") is None


class Answer:
    """A stream that has all of a pod's output from the beginning."""

    def __init__(self, out: bytes = b"", err: bytes = b"", code: int | None = None, *, is_open: bool = False) -> None:
        self._channels, self._code = {1: out, 2: err}, code
        self.close = lambda: None
        self.update = lambda **_: None
        self.is_open = lambda: is_open
        self.read_channel = lambda channel: self._channels.pop(channel, b"")

    @property
    def returncode(self) -> int:
        if self._code is None:
            raise TypeError("the client found no status")
        return self._code


REMOVED = {"err": b"tar: s/epochs/1.parquet: File removed before we read it", "code": 1}


@pytest.mark.parametrize(("answers", "read"), [
    ([{"out": b"tar", "code": 0}], b"tar"),
    ([{"out": b"tar", "err": b"tar: s/logs/0.log: file changed as we read it", "code": 1}], b"tar"),
    ([{"out": b"part", **REMOVED}, {"out": b"whole", "code": 0}], b"whole"),
    ([REMOVED] * 3, "File removed"),
    ([{"out": b"ta"}] * 3, "the connection was lost"),
    ([{"out": b"ta", "is_open": True}] * 3, "the connection was lost"),
    ([{"err": b"tar: s: Cannot stat: No such file", "code": 2}], "There is no study 's' in /studies"),
])  # fmt: skip
def test_a_study_is_read_completely_or_not_at_all(server, tmp_path, monkeypatch, answers, read):
    given, archive = [Answer(**each) for each in answers], tmp_path / "s.tar"
    monkeypatch.setattr(download, "stream", lambda *_, **__: given.pop(0))
    monkeypatch.setattr(download, "SILENT_SECONDS", 0.1)
    with nullcontext() if isinstance(read, bytes) else pytest.raises(UserError, match=read):
        read_study(server, "p", "/studies", "s", archive)
        assert archive.read_bytes() == read
    assert given == []


def test_a_reader_mounts_the_volume_alone_and_is_deleted(api_server, server):
    job = of_study()
    job["metadata"]["uid"] = "u-1"
    template = job["spec"]["submitterPodTemplate"]
    template["metadata"]["labels"]["cost"] = "7"
    template["spec"] |= {"initContainers": [{}]}
    template["spec"]["containers"][0]["args"] = ["--verbose"]
    starts, reads = pod("s-1-reader-x"), pod("s-1-reader-x", "Running")
    api_server.created_pod, path = starts, f"{CORE}/pods/s-1-reader-x"
    api_server.answers[path] = [starts, reads]
    mount = {"name": "lab", "mountPath": "/studies", "subPath": "ana"}
    with download.reader_pod(server, job, {"persistentVolumeClaim": {"claimName": "lab"}}, mount) as name:
        assert name == "s-1-reader-x"
        assert api_server.answers[path] == [reads]
    ((_, body),) = api_server.posted
    (container,) = body["spec"]["containers"]
    assert (container["command"][0], container["args"]) == ("sleep", [])
    assert container["volumeMounts"] == [{**mount, "name": "studies", "readOnly": True}]
    assert body["spec"]["initContainers"] == []
    assert body["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    labels = body["metadata"]["labels"]
    assert (labels["cost"], labels["app.kubernetes.io/name"]) == ("7", "tunepipe-reader")
    assert "app.kubernetes.io/part-of" not in labels
    assert api_server.deleted == [path]


@pytest.mark.parametrize(("phase", "seconds"), [("Pending", 0.0), ("Failed", 99.0)])
def test_a_reader_that_does_not_start_is_reported_and_deleted(api_server, server, monkeypatch, phase, seconds):
    monkeypatch.setattr(download, "START_SECONDS", seconds)
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    api_server.created_pod = pod("s-1-reader-x", phase, conditions=[unscheduled])
    api_server.answers[f"{CORE}/pods/s-1-reader-x"] = [api_server.created_pod]
    reason = "0/3 nodes" if phase == "Pending" else "start: Failed"
    volume = {"persistentVolumeClaim": {"claimName": "studies"}}
    with (
        pytest.raises(ClusterError, match=reason),
        download.reader_pod(server, of_study(), volume, {"mountPath": "/s"}),
    ):
        pass
    assert api_server.deleted == [f"{CORE}/pods/s-1-reader-x"]


@pytest.fixture
def archive(monkeypatch) -> io.BytesIO:
    content = io.BytesIO()

    @contextmanager
    def no_pod(*_):
        yield "p"

    monkeypatch.setattr(download, "reader_pod", no_pod)
    monkeypatch.setattr(download, "read_study", lambda *given: Path(given[-1]).write_bytes(content.getvalue()))
    return content


def test_links_and_pipes_of_a_trial_are_left_out(archive, tmp_path):
    def add(packed: tarfile.TarFile, name: str, content: bytes = b"", **fields) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        packed.addfile(member, io.BytesIO(content))

    with tarfile.open(fileobj=archive, mode="w") as packed:
        add(packed, "s/sessions/0001.json", session("monday").encode())
        add(packed, "s/files/0001/notes.txt", b"mine")
        for name, target in (("absolute", "/etc/passwd"), ("out", "../../../../x"), ("within", "notes.txt")):
            add(packed, f"s/files/0001/{name}", type=tarfile.SYMTYPE, linkname=target)
        add(packed, "s/files/0001/pipe", type=tarfile.FIFOTYPE)
        add(packed, "s/files/0001/device", type=tarfile.CHRTYPE)
        add(packed, "../out.txt", b"out")
    assert download_results(None, of_study(), "s", "/studies", tmp_path / "to") == tmp_path / "to/s"
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir())
    assert found == ["to/s/files/0001/notes.txt", "to/s/sessions/0001.json"]


def brought(folder: Path, began: str, state: str = "ended") -> Path:
    """A study that began at some time, with the state of its first session."""
    (folder / "sessions").mkdir(parents=True)
    (folder / "sessions/0001.json").write_text(session(began, state))
    return folder


def session(began: str, state: str = "ended") -> str:
    return json.dumps({"mark": f"mark of {began}", "started": began, "state": state})


def test_files_of_an_earlier_download_are_replaced(tmp_path):
    brought(tmp_path / "here", "monday", "running")
    newer = brought(tmp_path / "newer", "monday")
    (newer / "trials.parquet").write_text("more")
    (newer / "epochs").mkdir()
    (newer / "epochs/all-0002.parquet").write_text("rows of both parts")
    here = Store(tmp_path / "here")
    for path in ("epochs/part-0001-000001.parquet", "checkpoints/0000/000001.ckpt", "epochs/mine.parquet", "notes.txt"):
        here.write(path, "here")
    merge_study(newer, tmp_path / "here")
    assert {path: here.read_text(path) for path in here.files()} == {
        "checkpoints/0000/000001.ckpt": "here",
        "epochs/all-0002.parquet": "rows of both parts",
        "epochs/mine.parquet": "here",
        "notes.txt": "here",
        "sessions/0001.json": session("monday"),
        "trials.parquet": "more",
    }


def test_a_download_spares_other_studies_and_follows_no_link(tmp_path):
    here, other = brought(tmp_path / "here", "monday"), brought(tmp_path / "other", "tuesday")
    with pytest.raises(ClusterError, match="--to"):
        merge_study(other, here)
    assert (here / "sessions/0001.json").read_text() == session("monday")
    (tmp_path / "outside").mkdir()
    (here / "epochs").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError):
        merge_study(brought(tmp_path / "newer", "monday"), here)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_study_is_read_where_its_rayjob_or_its_values_have_it(api_server, server, tmp_path, archive):
    with tarfile.open(fileobj=archive, mode="w") as packed:
        packed.add(brought(tmp_path / "packed", "monday"), "s")
    jobs = [
        of_study("/studies/a", "z-1", "../x"),
        of_study("/studies/a"),
        of_study("s3://bucket/lab", "x-1", "my.study"),
        of_study("/gone", "y-1", "gone"),
    ]
    api_server.answers[RAYJOBS] = [{"items": jobs}]
    to = tmp_path / "to"
    assert readable_study(server, "x-1", to, storage="studies") == ("s3://bucket/lab", "my.study")
    assert readable_study(server, "s", to, storage="studies") == (str(to), "s")
    assert (to / "s/sessions/0001.json").exists()
    with pytest.raises(JobNotFound, match="not the name of a study"):
        readable_study(server, "z-1", to, storage="studies")
    with pytest.raises(JobNotFound, match="no claim at /gone"):
        readable_study(server, "gone", to, storage="studies")
    api_server.answers[RAYJOBS] = [{"items": []}]
    with pytest.raises(JobNotFound):
        readable_study(server, "s", to, storage="/studies")
    assert readable_study(server, "s", to, storage="/studies", values="local-cpu") == (str(to), "s")
    assert readable_study(server, "s", to, storage=str(tmp_path), values="local-cpu") == (str(tmp_path), "s")
