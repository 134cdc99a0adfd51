"""What a resumed study needs in addition to the tables, as JSON text and back."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from pipeline.engine.trial import Trial
from pipeline.searchers import Suggestion


@dataclass(frozen=True, slots=True)
class SavedState:
    """A study's state at the end of a session."""

    scheduler: dict[str, Any]
    trials: list[Trial]
    outcomes: dict[str, str] = field(default_factory=dict)
    paused: str | None = None
    enqueued: list[Suggestion] = field(default_factory=list)


_READ = TypeAdapter(SavedState)


def saved_state(values: Any) -> SavedState:
    """Read a state from JSON values.

    Raises:
        ValueError: It is no study's state.
    """
    return _READ.validate_python(values)


class StateText:
    """Converts a study's state to JSON text again and again: of trials, only those that have changed."""

    def __init__(self, state: Callable[[], SavedState]) -> None:
        self._state = state
        self._trials: dict[str, str] = {}

    def parts(self, changed: Collection[str] = ()) -> Mapping[str, str]:
        """The text of each part of the state."""
        state = self._state()
        for trial in state.trials:
            if trial.trial_id in changed or trial.trial_id not in self._trials:
                self._trials[trial.trial_id] = _trial_text(trial)
        trials = ", ".join(self._trials[trial.trial_id] for trial in state.trials)
        enqueued = to_jsonable_python(state.enqueued)
        rest = {
            "scheduler": state.scheduler,
            "outcomes": state.outcomes,
            "paused": state.paused,
            "enqueued": enqueued,
        }
        return {"trials": f"[{trials}]", **{name: _text(value) for name, value in rest.items()}}


def _trial_text(trial: Trial) -> str:
    try:
        # A value that is not finite is null.
        return to_json(trial, inf_nan_mode="null").decode()
    except PydanticSerializationError:
        return json.dumps(to_jsonable_python(trial, inf_nan_mode="null"))


def _text(value: Any) -> str:
    """A value as JSON text: a seventh of the time of `json`, which takes half of a flush of a thousand trials.

    It leaves what is no JSON to `json`: numbers that are not finite, and text with half of a surrogate pair, which a
    path may hold.
    """
    try:
        text = to_json(value).decode()
    except PydanticSerializationError:
        return json.dumps(value, allow_nan=False)
    return json.dumps(value, allow_nan=False) if "NaN" in text or "Infinity" in text else text
