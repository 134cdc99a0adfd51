"""What a resumed study needs in addition to the tables, as JSON text and back."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json

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
    decided: int = 0
    """How many decisions were made."""


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
                self._trials[trial.trial_id] = _text(trial)
        trials = ", ".join(self._trials[trial.trial_id] for trial in state.trials)
        others = ("scheduler", "outcomes", "paused", "enqueued")
        return {"trials": f"[{trials}]", **{name: _text(getattr(state, name)) for name in others}}


def _text(value: Any) -> str:
    # A seventh of the time of `json`, which takes half of a flush of a thousand trials. What is not finite is null.
    return to_json(value, inf_nan_mode="null").decode()
