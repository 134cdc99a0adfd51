"""What all tests of the names of Ray's share."""

import pytest

from pipeline import missing_names


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name has been reported as missing yet."""
    monkeypatch.setattr(missing_names, "warned", set())
