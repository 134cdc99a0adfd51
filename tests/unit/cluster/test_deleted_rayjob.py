"""The end of a study whose RayJob was deleted, from its storage; a server on loopback answers as Kubernetes does."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import download_results
from pipeline.cluster.deleted_rayjob import check_finished
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.errors import ClusterError, EndUnknown
from tests.unit.cli.beale_rayjob import of_beale

SESSION = {
    "number": 1,
    "started": "2026-01-01T00:00:00+00:00",
    "heartbeat": "2026-01-01T00:01:00+00:00",
    "seconds": 60.0,
}


def with_session(storage: Path, **fields: Any) -> str:
    """A storage in which a session of `beale` has these fields."""
    (storage / "beale/sessions").mkdir(parents=True)
    (storage / "beale/sessions/1.json").write_text(json.dumps({**SESSION, **fields}))
    return str(storage)


def test_a_study_that_has_finished_in_its_storage(api_server, tmp_path: Path) -> None:
    """A study that has finished in an object store has succeeded, though its RayJob is gone; nothing is copied."""
    storage, server = with_session(tmp_path, state="finished"), Kubernetes(None, "tunepipe")
    assert check_finished(server, of_beale(storage=storage), "beale", storage, tmp_path / "to") is None
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"state": "failed", "message": "no disk."}, EndUnknown, "has failed: no disk. `tunepipe submit`"),
        ({"state": "interrupted"}, ClusterError, "is interrupted. The study's records are kept"),
        ({"state": "running", "host": "other"}, ClusterError, "is interrupted"),
        ({"state": "odd"}, ClusterError, "How its study ended cannot be read"),
        (None, ClusterError, "has recorded nothing"),
    ],
)
def test_a_study_that_has_not_finished_is_no_success(
    api_server, tmp_path: Path, fields: dict[str, Any] | None, kind: type[Exception], said: str
) -> None:
    """A study that has failed, was interrupted or has no record is an error that names who may delete a RayJob."""
    storage = str(tmp_path) if fields is None else with_session(tmp_path, **fields)
    with pytest.raises(kind) as refused:
        check_finished(Kubernetes(None, "tunepipe"), of_beale(storage=storage), "beale", storage, tmp_path / "to")
    assert "by an operator that deletes ended RayJobs (DELETE_RAYJOB_CR_AFTER_JOB_FINISHES)" in str(refused.value)
    assert said in str(refused.value)


def test_an_earlier_end_is_not_the_end_of_this_rayjob(api_server, tmp_path: Path) -> None:
    """A study that had finished before its RayJob was created, as with a larger budget, has not finished with it."""
    storage = with_session(tmp_path, state="finished")
    job = of_beale(storage=storage)
    job["metadata"]["creationTimestamp"] = "2026-01-01T00:01:31Z"
    with pytest.raises(ClusterError, match="has recorded nothing"):
        check_finished(Kubernetes(None, "tunepipe"), job, "beale", storage, tmp_path / "to")


def test_the_pod_that_copies_has_no_owner(api_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study on a volume is copied by a pod that is not deleted with the RayJob, because it does not own the pod."""
    asked = []

    def no_pod(_core, job, *_volume):
        asked.append(job["metadata"])
        raise ClusterError("no node")

    monkeypatch.setattr(download_results, "reader_pod", no_pod)
    job = of_beale()
    job["metadata"]["uid"] = "u-1"
    with pytest.raises(ClusterError, match="How its study ended cannot be read: no node"):
        check_finished(Kubernetes(None, "tunepipe"), job, "beale", "/studies", tmp_path)
    assert [metadata.get("uid") for metadata in asked] == [None]
