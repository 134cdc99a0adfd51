"""A head that is lost, with the component `gcs-rocksdb`, which needs KubeRay 1.7."""

import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline import load_results
from tests.faults.study_comparison import differences
from tests.kubernetes.groups import cluster_with, labelled
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.operator import keeps_heads
from tests.kubernetes.testbed.place import BED
from tests.kubernetes.user import (
    HEAD,
    NAMESPACE,
    SLOW_STUDY,
    Following,
    forwarded,
    objects,
    running,
    submit,
    tunepipe,
    until,
)

pytestmark = pytest.mark.usefixtures("gone")


@pytest.fixture(scope="module", autouse=True)
def newer(bed) -> None:
    """Skips this module with an older KubeRay."""
    if not keeps_heads():
        pytest.skip("needs KubeRay 1.7: TUNEPIPE_TESTBED_OPERATOR")


@contextmanager
def disks(number: int) -> Iterator[None]:
    """Volumes of the default class that one node may write to, for the claims of clusters."""
    folder = BED / "heads"
    names = [f"head-{each}" for each in range(number)]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name).chmod(0o777)
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "2Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "testbed",
                "hostPath": {"path": str(folder / name)},
            },
        }
        for name in names
    ]
    kubectl("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": volumes}))
    try:
        yield
    finally:
        kubectl("delete", "pv", *names, "--wait=false")
        shutil.rmtree(folder)


def lose_head() -> None:
    """Delete the head's pod as if its node had gone."""
    kubectl("delete", "pod", "-n", NAMESPACE, "--force", "--grace-period=0", running(HEAD)[0])


def session(name: str) -> str:
    """Ray's name of the session that is kept in a volume."""
    return (BED / "heads" / name / "session_name").read_text()


def test_a_study_continues_on_another_cluster(tmp_path, undisturbed):
    """A lost head comes back with the state of its cluster; the study continues on another one, with equal tables."""
    values = cluster_with(tmp_path / "values", {"gpu": "l4"}, gcsRocksdb=True)
    with labelled(product="NVIDIA-L4"), disks(2):
        study = Following(tmp_path, *SLOW_STUDY, "--values", str(values))
        study.until("a trial to train", lambda: study.has_trained)
        lose_head()
        assert study.ended() == 0, study.reported
    found = load_results(tmp_path / "studies/slow-study")
    assert len(found.sessions) == 2
    assert differences(undisturbed, found) == []


def test_a_cluster_for_interactive_use_keeps_its_submissions(foundation, tmp_path, monkeypatch):
    """A head that is lost comes back in its session, and still lists the submissions of before."""
    cluster = cluster_with(tmp_path / "values", {"gpu": "l4"}, gpus=False, shared=True, gcsRocksdb=True)
    ready = ("wait", "--for=condition=Ready", "pod", "-n", NAMESPACE, "-l", HEAD, "--timeout=180s")
    with disks(1):
        kubectl("apply", "--server-side", "-f", str(cluster))
        try:
            until("the head", lambda: bool(running(HEAD)))
            kubectl(*ready)
            secret = kubectl("get", "secret", "tunepipe", "-n", NAMESPACE, "-o", "jsonpath={.data.auth_token}")
            monkeypatch.setenv("RAY_AUTH_TOKEN", b64decode(secret).decode())
            with forwarded("service/tunepipe-head-svc", 8265) as address:
                code, reported = submit(tmp_path, "beale", "--address", address, "--trials", "2", "--workers", "1")
                assert code == 0, reported
            before, lost = session("head-0"), running(HEAD)[0]
            lose_head()
            until("another head", lambda: running(HEAD) not in ([], [lost]))
            kubectl(*ready)
            with forwarded("service/tunepipe-head-svc", 8265) as address:
                assert "beale-1" in tunepipe("status", "--address", address)
            assert session("head-0") == before
        finally:
            Following.end_all()
            kubectl("delete", "-f", str(cluster))
        until("the end of all pods", lambda: not objects("pods"))
