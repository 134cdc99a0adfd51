"""`tunepipe submit --kubernetes --dry-run`, and what is refused before anybody is asked."""

import sys

import pytest

from pipeline.cli.app import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call the command as a shell would; its exit code."""
    monkeypatch.setattr(sys, "argv", ["tunepipe", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["submit", "beale", "--storage", "studies", "--address", "http://x"], "--storage"),
        (["submit", "beale", "--storage", "/studies"], "--address http://HOST:8265"),
        (["submit", "bale", "--storage", "/studies", "--address", "http://x"], "Did you mean 'beale'?"),
        (["submit", "beale", "--storage", "/s", "--trials", "0", "--address", "http://x"], "budget.trials"),
        (["submit", "beale", "--storage", "/s", "--start-from", "x", "--address", "http://x"], "There is no study 'x'"),
        (["submit", "beale", "--storage", "/s", "--dry-run", "--address", "http://x"], "--dry-run goes with --kuber"),
        (
            ["submit", "beale", "--storage", "/s", "--image", "i", "--overlay", "dev", "--address", "http://x"],
            "--image and --overlay go with --kubernetes only",
        ),
        (
            ["submit", "beale", "--storage", "/s", "--kubernetes", "--address", "http://x"],
            "--address goes without --kubernetes only. Nothing was submitted.",
        ),
        (["submit", "beale", "--storage", "/s", "--workers", "0", "--address", "http://x"], "use at least 1"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--wait-pods", "nan"], "--wait-pods"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--image", ""], "--image"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--namespace", "Mine_"], "--namespace"),
        (["status"], "RAY_API_SERVER_ADDRESS"),
        (["stop", "x", "--address", "ftp://x"], "http://HOST:8265"),
        (["stop", "x", "--context", "c"], "--context goes with --kubernetes only. Nothing was stopped."),
    ],
)
def test_mistakes_are_reported_before_the_submission(arguments, reported, monkeypatch, capsys):
    """A mistake in a job ends submit with exit code 2 before anything is uploaded."""
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    assert call(monkeypatch, *arguments) == 2
    assert reported in capsys.readouterr().err
