"""Tokens of Ray clusters."""

import pytest

from pipeline.cluster.jobs_api import JobsApi
from pipeline.cluster.ray_token import ray_token
from pipeline.errors import ClusterError
from tests.ray_sources import check_text


def test_tokens_are_found_where_ray_finds_them(jobs_server, monkeypatch, tmp_path):
    """A cluster's token comes from the variable, the file that a variable names, or the home file, in Ray's order."""
    jobs_server.token = "right"
    with pytest.raises(ClusterError, match=r"requires a token, and none was given.*RAY_AUTH_TOKEN"):
        JobsApi(jobs_server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(ClusterError, match="refuses the token"):
        JobsApi(jobs_server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    assert JobsApi(jobs_server.address).submissions() == []
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("right\n")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert JobsApi(jobs_server.address).submissions() == []
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterError, match=r"nowhere.*cannot be read"):
        JobsApi(jobs_server.address)


@pytest.mark.parametrize("token", ["sec\nret", "sécret", "sec\x7fret"])
@pytest.mark.parametrize("where", ["variable", "named file", "home"])
def test_a_token_that_cannot_be_sent_is_refused_without_printing_it(monkeypatch, tmp_path, token, where):
    """A token of several lines, or with other than ASCII characters, is refused, and the message does not have it."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    file = tmp_path / ("token" if where == "named file" else ".ray/auth_token")
    file.write_bytes(token.encode("latin-1") if where != "variable" else b"right")
    if where == "variable":
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    if where == "named file":
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    with pytest.raises(ClusterError, match="must be one line of ASCII characters") as caught:
        ray_token()
    assert "ret" not in str(caught.value)


def test_a_user_without_a_home_has_no_token(monkeypatch, tmp_path):
    """Where a process has no home folder, or an empty file there, there is no token."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("\n")
    assert ray_token() is None

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", home)
    assert ray_token() is None


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("status=401", "_private/authentication/http_token_authentication.py"),
        ("status=403", "_private/authentication/http_token_authentication.py"),
        ("RAY_AUTH_TOKEN", "_raylet.so"),
        ("RAY_AUTH_TOKEN_PATH", "_raylet.so"),
        (".ray/auth_token", "scripts/scripts.py"),
    ],
)
def test_tokens_are_as_ray_has_them(text, file):
    """Ray still reads a token from the same places, and refuses one with the same status."""
    check_text(
        text,
        file,
        "pipeline/cluster/ray_token.py finds the token there, and dashboard.py says that it is missing or wrong",
        "a cluster with tokens cannot be used, or the message misleads",
    )
