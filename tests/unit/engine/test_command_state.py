"""The state of users' commands in a study."""

import json

from pipeline.engine.command_state import CommandState
from pipeline.searchers import Suggestion


def test_outcomes_and_configs_outlast_a_session_and_a_pause_does_not() -> None:
    """A new session has the outcomes and the enqueued configs of the last one, and is not paused."""
    state = CommandState({"c1": "done"}, paused="lunch")
    state.enqueued.append(Suggestion({"x": 0.5}, "a guess"))
    stored = json.loads(json.dumps(state.to_json()))
    assert stored["paused"] == "lunch"
    restored = CommandState()
    restored.restore(stored)
    assert restored == CommandState({"c1": "done"}, None, state.enqueued)


def test_the_state_of_an_earlier_version_has_no_commands() -> None:
    """A study of a version without commands is restored without outcomes and configs."""
    restored = CommandState()
    restored.restore({"trials": [], "scheduler": {}})
    assert restored == CommandState()
