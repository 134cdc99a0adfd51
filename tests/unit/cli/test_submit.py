"""What `tunepipe submit` and `status` refuse before a server is asked."""

import pytest

from tests.hostile.command import tunepipe


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["submit", "beale", "--storage", "studies", "--address", "http://x"], "--storage"),
        (["submit", "beale", "--storage", "/studies"], "--address http://HOST:8265"),
        (["submit", "bale", "--storage", "/studies", "--address", "http://x"], "Did you mean 'beale'?"),
        (["submit", "beale", "--storage", "/s", "--trials", "0", "--address", "http://x"], "budget.trials"),
        (["submit", "beale", "--storage", "/s", "--start-from", "x", "--address", "http://x"], "no study 'x'"),
        (["submit", "beale", "--storage", "/s", "--workers", "0", "--address", "http://x"], "use at least 1"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--wait-pods", "nan"], "--wait-pods"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--image", ""], "--image"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--namespace", "Mine_"], "--namespace"),
        (
            ["submit", "beale", "--storage", "/s", "--kubernetes", "--detach", "--to", "x"],
            "--to has no effect with --detach",
        ),
        (["status"], "RAY_API_SERVER_ADDRESS"),
    ],
)
def test_mistakes_are_reported_before_the_submission(
    arguments: list[str], reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the options or the job of `submit` or `status` exits with 2 and is named."""
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    refused = tunepipe(*arguments)
    assert refused.code == 2
    assert reported in refused.errors
