"""The state that a resumed study needs in addition to the tables, as JSON text and back."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from pipeline.engine.study_loop import StudyLoop
from pipeline.engine.trial import Trial


class ResumeState:
    """Converts a study's state to text again and again: of trials, only those that have changed."""

    def __init__(self, loop: StudyLoop) -> None:
        self._loop = loop
        self._trials: dict[str, str] = {}

    def texts(self, changed: Collection[str] = ()) -> Mapping[str, str]:
        """The state that `restore` takes, as the JSON text of each of its values."""
        trials = self._loop.trials
        for trial_id in [*changed, *(trials.keys() - self._trials.keys())]:
            self._trials[trial_id] = _text(trials[trial_id].to_json())
        texts = ", ".join(map(self._trials.__getitem__, trials))
        rest = {"scheduler": self._loop.scheduler.state(), **self._loop.commands.to_json()}
        return {"trials": f"[{texts}]", **{name: _text(value) for name, value in rest.items()}}


def restore(loop: StudyLoop, state: Mapping[str, Any]) -> None:
    """Resume a study from the state of an earlier session; `requeue` follows when the trials that resume are paused."""
    loop.scheduler.restore(state["scheduler"])
    loop.commands.restore(state)
    for fields in state["trials"]:
        loop.add(Trial.from_json(fields))
    loop.check_budget()


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
