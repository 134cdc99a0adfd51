"""A server on loopback that answers as Kubernetes does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes_server import ApiServer, answering


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server, and a kubeconfig that names it; the test is in a separate folder."""
    monkeypatch.chdir(tmp_path)
    with answering(tmp_path, monkeypatch) as server:
        yield server
