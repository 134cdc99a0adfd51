"""How often a worker's node needs checkpoints."""

import math

import pytest

from pipeline.errors import ResourcesUnmet
from pipeline.execution.worker.checkpoint_seconds import CHECKPOINT_SECONDS, node_seconds


def test_a_node_says_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of a node come from its environment, and are infinite without the variable."""
    monkeypatch.delenv(CHECKPOINT_SECONDS, raising=False)
    assert node_seconds() == math.inf
    monkeypatch.setenv(CHECKPOINT_SECONDS, "2.5")
    assert node_seconds() == 2.5


def test_seconds_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting for the seconds of a node that is not a number is refused with a message."""
    monkeypatch.setenv(CHECKPOINT_SECONDS, "often")
    with pytest.raises(ResourcesUnmet, match="TUNEPIPE_CHECKPOINT_SECONDS is 'often'"):
        node_seconds()
