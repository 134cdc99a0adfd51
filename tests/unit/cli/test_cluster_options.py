"""A cluster on the command line."""

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.cli.cluster_options import api_of, follow_submission
from pipeline.errors import UsageError
from tests.hostile.command import tunepipe

SUBMIT = ["submit", "beale", "--storage", "/s", "--address", "http://x"]


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ([*SUBMIT, "--dry-run"], "--dry-run goes with --kubernetes only. Nothing was submitted."),
        ([*SUBMIT, "--image", "i", "--overlay", "dev"], "--image and --overlay go with --kubernetes only"),
        ([*SUBMIT, "--kubernetes"], "--address goes without --kubernetes only. Nothing was submitted."),
        (["stop", "x", "--context", "c"], "--context goes with --kubernetes only. Nothing was stopped."),
        (["stop", "x", "--trial", "1", "--namespace", "n"], "--namespace goes with --kubernetes only. Nothing was"),
        (
            ["logs", "x", "--trial", "1", "--context", "c"],
            "--context goes with --kubernetes only. Nothing was printed.",
        ),
    ],
)
def test_options_for_the_other_kind_of_cluster_are_refused(words: list[str], reported: str) -> None:
    """An option for another kind of cluster is refused with exit code 2 and a message that names it."""
    refused = tunepipe(*words)
    assert refused.code == 2
    assert reported in refused.errors


def test_the_address_in_the_environment_does_not_forbid_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    """RAY_API_SERVER_ADDRESS may be set for other commands, so only --address itself is refused with --kubernetes."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://x")
    refused = tunepipe("submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--image", "")
    assert "--address" not in refused.errors
    assert "--image" in refused.errors


@pytest.mark.parametrize(("address", "reported"), [(None, "RAY_API_SERVER_ADDRESS"), ("ftp://x", "http://HOST:8265")])
def test_an_address_must_be_that_of_a_dashboard(address: str | None, reported: str) -> None:
    """A missing dashboard address is refused with the variable that sets it, and an invalid one with a valid form."""
    with pytest.raises(UsageError, match=reported):
        api_of(address)


class InterruptedApi:
    """A cluster whose submission prints a line, and whose user then presses Ctrl-C."""

    address = "http://x:8265"

    def follow(self, name: str) -> Iterator[str]:
        """The output."""
        yield "epoch 1\n"
        raise KeyboardInterrupt


def test_a_submission_that_is_no_longer_followed_continues(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while a submission is followed returns 130 and prints the commands that follow and stop it."""
    api: Any = InterruptedApi()
    assert follow_submission(api, "study-1") == 130
    printed = capsys.readouterr()
    assert printed.out == "epoch 1\n"
    for command in ("tunepipe logs study-1 --follow", "tunepipe stop study-1"):
        assert f"`{command} --address http://x:8265`" in " ".join(printed.err.split())
