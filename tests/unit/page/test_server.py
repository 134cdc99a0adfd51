"""The checks of `serve` before it listens, and the addresses that it prints."""

import socket
from pathlib import Path

import pytest
import uvicorn

from pipeline.errors import UsageError
from pipeline.page.server import TOKEN_VARIABLE, serve
from pipeline.storage import Store


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a server prints, which ends as soon as it starts."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    return []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_address_of_this_machine_needs_no_token(storage: Path, printed: list[str], host: str) -> None:
    """An address of this machine needs no token, and the port that the system chose is printed."""
    serve(Store(storage), host=host, port=0, control=False, on_address=printed.append)
    (address,) = printed
    assert address.startswith(f"http://{host}:")
    assert address.endswith("/")
    assert not address.endswith(":0/")


def test_another_address_has_a_new_token_each_time(storage: Path, printed: list[str]) -> None:
    """A link to all addresses has this machine's name, and a new token at each start."""
    for _ in range(2):
        serve(Store(storage), host="0.0.0.0", port=0, control=False, on_address=printed.append)
    assert printed[0].startswith(f"http://{socket.gethostname()}:")
    first, second = (address.partition("?token=")[2] for address in printed)
    assert len(first) >= 16
    assert first != second


def test_a_token_can_be_given(storage: Path, printed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A token from the environment stays the same after a restart, and is not printed into a log."""
    monkeypatch.setenv(TOKEN_VARIABLE, "0123456789abcdef")
    serve(Store(storage), host="127.0.0.1", port=0, control=False, on_address=printed.append)
    assert printed[0].endswith("/")
    assert "token" not in printed[0]


def test_a_short_token_is_refused(storage: Path, printed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is too short is refused, and no address is printed."""
    monkeypatch.setenv(TOKEN_VARIABLE, "0123456789abcde")
    with pytest.raises(UsageError, match="at least 16 characters; found 15"):
        serve(Store(storage), host="127.0.0.1", port=0, control=False, on_address=printed.append)
    assert printed == []


def test_a_study_is_no_storage(storage: Path, printed: list[str]) -> None:
    """The path of a study is refused with the storage around it as the alternative."""
    with pytest.raises(UsageError, match="is a study: name the storage"):
        serve(Store(storage / "domains"), host="127.0.0.1", port=0, control=False, on_address=printed.append)


def test_a_port_that_is_taken_is_reported(storage: Path, printed: list[str]) -> None:
    """A port in use is reported with the option that selects another."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="--port names another port"):
        serve(Store(storage), host="127.0.0.1", port=taken.getsockname()[1], control=False, on_address=printed.append)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "\0", "256.0.0.1", "x" * 300, "\udcff"])
def test_an_invalid_address_is_reported(storage: Path, printed: list[str], host: str) -> None:
    """`serve` reports an invalid address as such."""
    with pytest.raises(UsageError, match="cannot be served"):
        serve(Store(storage), host=host, port=0, control=False, on_address=printed.append)
