"""`tunepipe serve` as a separate process, and what it refuses."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.hostile.command import tunepipe
from tests.processes import TUNEPIPE, started
from tests.unit.results.studies import every_domain_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with the study `domains`."""
    root = tmp_path_factory.mktemp("storage")
    every_domain_study(root, trials=2)
    return root


@contextmanager
def served(storage: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server in a separate process, which is killed at the end, and the address that it prints."""
    command = [*TUNEPIPE, "serve", str(storage), "--port", "0", *options]
    server = started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None, server.stderr.read()
        yield server, found[0]
    finally:
        server.kill()
        server.communicate()


def _on_loopback(address: str) -> str:
    """The address by which this machine reaches itself."""
    return re.sub(r"//.*:", "//127.0.0.1:", address)


def test_it_prints_its_address_and_ends_by_ctrl_c(storage: Path) -> None:
    """`serve` answers at the address that it prints, and Ctrl-C ends it without an error despite an open stream."""
    with served(storage) as (server, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        assert "domains" in requests.get(address, headers={"Accept": "text/html"}, timeout=60).text
        with requests.get(f"{address}events", stream=True, timeout=60) as events:
            next(events.iter_lines())
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        assert server.stderr.read() == ""


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """`serve` refuses a folder that does not exist and a file, with the path and what to do."""
    missing = tunepipe("serve", str(tmp_path / "nowhere"))
    assert missing.code == 2
    assert f"There is no folder {tmp_path / 'nowhere'}. `tunepipe run JOB` creates" in missing.errors
    (tmp_path / "file").write_text("")
    assert "is not a folder" in tunepipe("serve", str(tmp_path / "file")).errors


def test_another_address_needs_the_token_of_the_link(storage: Path) -> None:
    """On another address than loopback, `serve` prints a link with a token and answers 401 without the token."""
    with served(storage, "--host", "0.0.0.0") as (_, address):
        host, _, token = address.partition("?token=")
        page = _on_loopback(host)
        assert requests.get(page, timeout=60).status_code == 401
        assert "domains" in requests.get(page, params={"token": token}, timeout=60).text


def test_a_port_that_is_in_use_is_reported(storage: Path) -> None:
    """`serve` on a port that is in use reports the option that selects another port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        printed = tunepipe("serve", str(storage), "--port", str(taken.getsockname()[1]))
    assert printed.code == 2
    assert "--port names another port" in printed.errors


def test_a_token_of_ones_own_is_not_printed(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that the user has set for `serve` is required and not printed."""
    monkeypatch.setenv("TUNEPIPE_TOKEN", "a token of sixteen characters")
    with served(storage, "--host", "0.0.0.0") as (_, address):
        assert "token" not in address
        page = _on_loopback(address)
        assert requests.get(page, timeout=60).status_code == 401
        headers = {"Authorization": "Bearer a token of sixteen characters"}
        assert requests.get(page, headers=headers, timeout=60).status_code == 200
