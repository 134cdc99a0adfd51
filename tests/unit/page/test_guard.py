"""Who may ask the server, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pipeline.page.guard import COOKIE, is_loopback, new_token
from tests.serving import serving

TOKEN = "a token that is hard to guess"


@pytest.fixture(scope="module")
def guarded(storage: Path) -> Iterator[str]:
    """The page of a storage, with a token."""
    with serving(storage, token=TOKEN) as address:
        yield address


def test_loopback_addresses() -> None:
    """Only addresses that other machines cannot reach are loopback addresses."""
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost.example.org")))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", ""])
def test_a_page_of_another_name_is_refused(address: str, host: str) -> None:
    """A request for another host name, as in DNS rebinding, is refused."""
    answer = requests.get(address, headers={"Host": host}, timeout=60)
    assert answer.status_code in (400, 421)
    assert "mnist-asha" not in answer.text


def test_without_the_token_nothing_is_shown(guarded: str) -> None:
    """A request without a token, with a wrong one or with one in the wrong place gets the same refusal."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{COOKIE}=wrong"}, {"Authorization": TOKEN}):
        answer = requests.get(f"{guarded}/studies/mnist-asha", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert "mnist" not in answer.text


def test_the_link_leaves_a_cookie_and_hides_the_token(guarded: str) -> None:
    """A link with the token sets a cookie, and leads to the same address without the token.

    The cookie is lax: where the link is in a page of another site, a browser would not send a strict one afterwards.
    """
    with requests.Session() as session:
        answer = session.get(f"{guarded}/studies/mnist-asha?where=epochs=9&token={TOKEN}", timeout=60)
        assert answer.status_code == 200
        assert TOKEN.split()[0] + "+" not in answer.url
        assert "token" not in answer.url
        assert "where=epochs%3D9" in answer.url
        (cookie,) = session.cookies
        assert (cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (True, "lax")


def test_a_link_cannot_lead_to_another_server(guarded: str) -> None:
    """A link whose path begins with two slashes does not lead to another server."""
    answer = requests.get(f"{guarded}//evil.example/?token={TOKEN}", allow_redirects=False, timeout=60)
    assert answer.headers["Location"] == "/evil.example/"


def test_programs_send_the_token_in_a_header(guarded: str) -> None:
    """Programs may send the token in a header, as for other services of a cluster."""
    answer = requests.get(guarded, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.status_code == 200


def test_tokens_differ() -> None:
    """Each new token is long and differs from the others."""
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 40
