"""Who may ask the server over HTTP, what `serve` checks before it listens, and the address that it prints."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import uvicorn

from pipeline.errors import TunepipeError, UsageError
from pipeline.page.server import TOKEN_VARIABLE, is_loopback, serve
from pipeline.storage import Store
from tests.processes import TUNEPIPE, started
from tests.recorded_studies import every_domain_study
from tests.serving import serving

TOKEN = "a token that is hard to guess"


@pytest.fixture(scope="module")
def guarded(storage: Path) -> Iterator[str]:
    with serving(storage, token=TOKEN) as address:
        yield address


def test_only_addresses_that_other_machines_cannot_reach_need_no_token() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost.example.org")))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1].evil.example", "[::1", ""]
)
def test_a_page_of_another_name_is_refused(address: str, host: str) -> None:
    """As in DNS rebinding."""
    answer = requests.get(address, headers={"Host": host}, timeout=60)
    assert answer.status_code in (400, 421)
    assert "mnist-asha" not in answer.text


def test_another_site_may_link_to_a_page_and_load_nothing(address: str) -> None:
    for loads, status in (("document", 200), ("image", 403), ("iframe", 403)):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": loads}
        assert requests.get(address, headers=headers, timeout=60).status_code == status


def test_programs_send_the_token_in_a_header(guarded: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        assert requests.get(f"{guarded}/events", headers=headers, timeout=60).status_code == 401
        answer = requests.get(f"{guarded}/studies/mnist-asha", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert "mnist" not in answer.text
    assert requests.get(guarded, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).status_code == 200


def test_two_servers_of_a_host_keep_their_own_cookies(guarded: str, storage: Path) -> None:
    with serving(storage, token=TOKEN[::-1]) as other, requests.Session() as session:
        for address, token in ((guarded, TOKEN), (other, TOKEN[::-1])):
            session.get(f"{address}/?token={token}", timeout=60)
        assert [session.get(each, timeout=60).status_code for each in (guarded, other)] == [200, 200]


def test_the_link_leaves_a_cookie_and_hides_the_token(guarded: str) -> None:
    """The cookie is lax: where the link is in a page of another site, a browser would not send a strict one."""
    with requests.Session() as session:
        answer = session.get(f"{guarded}/studies/mnist-asha?where=epochs=9&token={TOKEN}", timeout=60)
        assert answer.status_code == 200
        assert "token" not in answer.url
        assert "where=epochs%3D9" in answer.url
        (cookie,) = session.cookies
        wrong = {"Cookie": f"{cookie.name}=wrong"}
        assert requests.get(guarded, headers=wrong, timeout=60).status_code == 401
        assert (cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (True, "lax")
    # Two slashes would lead to another server.
    answer = requests.get(f"{guarded}//evil.example/?token={TOKEN}", allow_redirects=False, timeout=60)
    assert answer.headers["Location"] == "/evil.example/"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a server prints, which ends as soon as it starts."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    return []


def test_another_address_has_a_new_token_each_time(
    storage: Path, printed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of this machine needs none without control. One from the environment stays, and is not printed into a log."""
    for host in ("127.0.0.1", "0.0.0.0", "0.0.0.0"):
        serve(Store(storage), host=host, port=0, control=False, on_address=printed.append)
    assert printed[0].startswith("http://127.0.0.1:")
    assert "token" not in printed[0]
    assert printed[1].startswith(f"http://{socket.gethostname()}:")
    first, second = (address.partition("?token=")[2] for address in printed[1:])
    assert len(first) >= 40
    assert first != second
    serve(Store(storage), host="127.0.0.1", port=0, control=True, on_address=printed.append)
    assert "?token=" in printed.pop()
    monkeypatch.setenv(TOKEN_VARIABLE, "0123456789abcdef")
    serve(Store(storage), host="0.0.0.0", port=0, control=False, on_address=printed.append)
    assert printed[3].endswith("/?token=$TUNEPIPE_TOKEN")
    for token, found in (("0123456789abcde", 15), ("0123456789abcde+", "others")):
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with pytest.raises(UsageError, match=f"at least 16 characters.*found {found}"):
            serve(Store(storage), host="127.0.0.1", port=0, control=False, on_address=printed.append)


@pytest.mark.parametrize(
    ("folder", "host"), [("mnist-pbt", "127.0.0.1"), ("none", "127.0.0.1"), (".", "no.such.host.invalid"), (".", "\0")]
)
def test_what_cannot_be_served_is_reported(storage: Path, printed: list[str], folder: str, host: str) -> None:
    with pytest.raises(TunepipeError):
        serve(Store(storage / folder), host=host, port=0, control=False, on_address=printed.append)
    assert printed == []


def test_a_port_that_is_taken_is_reported(storage: Path, printed: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="--port"):
        serve(Store(storage), host="127.0.0.1", port=taken.getsockname()[1], control=False, on_address=printed.append)


def test_it_prints_its_address_and_ends_by_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another address than loopback it needs a token, which is not printed if it is the user's own."""
    every_domain_study(tmp_path, trials=2)
    monkeypatch.setenv("TUNEPIPE_TOKEN", "a-token-of-sixteen-characters")
    command = [*TUNEPIPE, "serve", str(tmp_path), "--port", "0", "--host", "0.0.0.0"]
    server = started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None, server.stderr.read()
        assert found[0].endswith("?token=$TUNEPIPE_TOKEN")
        page = re.sub(r"//.*:", "//127.0.0.1:", found[0])
        headers = {"Authorization": "Bearer a-token-of-sixteen-characters"}
        assert requests.get(page, timeout=60).status_code == 401
        assert "domains" in requests.get(page, headers={**headers, "Accept": "text/html"}, timeout=60).text
        # An open page does not delay the end.
        with requests.get(page.replace("/?", "/events?"), headers=headers, stream=True, timeout=60):
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        assert server.stderr.read() == ""
    finally:
        server.kill()
        server.communicate()
