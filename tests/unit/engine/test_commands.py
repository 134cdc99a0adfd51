"""Commands of users as JSON."""

import json

import pytest
from pydantic import ValidationError

from pipeline.engine.commands import (
    ChangeBudget,
    Command,
    Continue,
    Enqueue,
    Pause,
    StopTrial,
    command_from,
    command_object,
)

COMMANDS: list[Command] = [
    StopTrial(trial_id="0003", reason="it is too slow"),
    Enqueue(config={"lr": 0.1, "layers": [64, None], "kind": "adam"}),
    Pause(session=2),
    Continue(session=2, reason="the GPU is free"),
    ChangeBudget(trials=30, seconds=60.5),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_a_command_is_the_same_after_a_way_through_json(command: Command) -> None:
    """Each kind of command equals its copy after a conversion to JSON and back."""
    assert command_from(json.loads(json.dumps(command_object(command)))) == command


@pytest.mark.parametrize(
    "values",
    [
        None, [], "stop", {}, {"kind": "other"}, {"kind": "stop-trial"}, {"kind": "stop-trial", "trial_id": "../x"},
        {"kind": "pause", "session": 0}, {"kind": "pause", "session": "1"}, {"kind": "budget", "trials": 0},
        {"kind": "budget", "seconds": float("nan")}, {"kind": "stop-trial", "trial_id": "0001", "more": 1},
        {"kind": "pause", "session": 1, "reason": "x" * 5000},
    ],
)  # fmt: skip
def test_invalid_commands_are_refused(values: object) -> None:
    """Commands of an unknown kind, with missing or unknown fields, or with invalid values are refused."""
    with pytest.raises(ValidationError):
        command_from(values)
