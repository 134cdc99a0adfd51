"""Who submits a study."""

import getpass

from pipeline.cluster.submitter import submitter


def test_a_submitter_is_a_user_on_a_machine(monkeypatch):
    """A submitter is named by user and machine, or by the machine alone if the user has no name."""
    monkeypatch.setattr("platform.node", lambda: "laptop")
    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    assert submitter() == "ana@laptop"

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert submitter() == "laptop"
