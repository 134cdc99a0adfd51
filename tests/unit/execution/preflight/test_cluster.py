"""What a node of a cluster reports about itself."""

from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.execution.preflight import cluster
from pipeline.execution.preflight.finding import Failure
from pipeline.execution.versions import installed
from pipeline.storage import Store


def test_a_node_that_sees_the_storage_leaves_a_mark(tmp_path: Path) -> None:
    """A node that sees the storage writes a marker that the driver finds, and reports its versions."""
    store = Store(tmp_path)
    store.write("probe", b"here")
    reported = cluster.probe_node(store.uri, "node-1")
    assert reported["trouble"] is None
    assert reported["versions"] == installed()
    assert store.exists("seen-node-1")


def test_a_node_that_does_not_see_the_storage_reports_it(tmp_path: Path) -> None:
    """A node with another folder at the same path writes nothing and reports that it does not see the storage."""
    reported = cluster.probe_node(Store(tmp_path).uri, "node-1")
    assert reported["trouble"] == f"cannot find the storage {tmp_path}"
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_cannot_be_written_is_trouble(tmp_path: Path) -> None:
    """A node that cannot write to the storage is reported with the text of its error."""
    (tmp_path / "probe").write_text("here")
    (tmp_path / "seen-node-1").mkdir()
    assert "seen-node-1" in str(cluster.probe_node(Store(tmp_path).uri, "node-1")["trouble"])


def test_a_cluster_that_cannot_be_joined_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that cannot be joined is a fact with Ray's own message."""

    def init(address: str, **_: Any) -> None:
        raise ConnectionError(f"no {address}")

    monkeypatch.setattr(ray, "init", init)
    published: list[object] = []
    cluster.main(published.append, address="10.0.0.1:6379", uri="/s", node_seconds=1.0)
    assert published == [Failure("ConnectionError: no 10.0.0.1:6379")]
