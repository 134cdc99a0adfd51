"""Servers on loopback."""

from collections.abc import Iterator

import pytest

from pipeline.cluster.rayjobs import RayJobs
from tests.json_handler import running
from tests.kubernetes_server import ApiServer, answering
from tests.unit.cluster.jobs_server import JobsServer


@pytest.fixture
def jobs_server(monkeypatch, tmp_path) -> Iterator[JobsServer]:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    server = JobsServer()
    with running(server):
        yield server


@pytest.fixture
def server(api_server) -> RayJobs:
    return RayJobs(None, "tunepipe")


@pytest.fixture
def api_server(tmp_path, monkeypatch) -> Iterator[ApiServer]:
    with answering(tmp_path, monkeypatch) as server:
        yield server
