"""`tunepipe serve` as a separate process, and what it refuses."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import requests

from tests.command import tunepipe
from tests.processes import TUNEPIPE, started
from tests.recorded_studies import every_domain_study


def test_it_prints_its_address_and_ends_by_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another address than loopback it needs a token, which is not printed if it is the user's own."""
    every_domain_study(tmp_path, trials=2)
    monkeypatch.setenv("TUNEPIPE_TOKEN", "a token of sixteen characters")
    command = [*TUNEPIPE, "serve", str(tmp_path), "--port", "0", "--host", "0.0.0.0"]
    server = started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None, server.stderr.read()
        assert "token" not in found[0]
        page = re.sub(r"//.*:", "//127.0.0.1:", found[0])
        headers = {"Authorization": "Bearer a token of sixteen characters"}
        assert requests.get(page, timeout=60).status_code == 401
        assert "domains" in requests.get(page, headers={**headers, "Accept": "text/html"}, timeout=60).text
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        assert server.stderr.read() == ""
    finally:
        server.kill()
        server.communicate()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    missing = tunepipe("serve", str(tmp_path / "nowhere"))
    assert missing.code == 2
    assert f"There is no folder {tmp_path / 'nowhere'}" in missing.errors


def test_a_port_that_is_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        printed = tunepipe("serve", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert printed.code == 2
    assert "--port" in printed.errors
