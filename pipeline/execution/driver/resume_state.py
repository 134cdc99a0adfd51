"""What a resumed study needs beside the tables, as JSON text."""

import json
from collections.abc import Collection, Mapping

from pipeline.loop.study_loop import StudyLoop

__all__ = ["ResumeState"]


class ResumeState:
    """Converts a study's state to text again and again: of trials, only those that have changed.

    Args:
        loop: The study.
    """

    def __init__(self, loop: StudyLoop) -> None:
        self._loop = loop
        self._trials: dict[str, str] = {}

    def texts(self, changed: Collection[str]) -> Mapping[str, str]:
        """The state that `StudyLoop.state` returns, as the JSON text of each of its values.

        Args:
            changed: The trials that have changed since the last call; those that are new are found.
        """
        trials = self._loop.trials
        for trial_id in [*changed, *(trials.keys() - self._trials.keys())]:
            self._trials[trial_id] = json.dumps(trials[trial_id].to_json(), allow_nan=False)
        texts = ", ".join(map(self._trials.__getitem__, trials))
        rest = {"scheduler": self._loop.scheduler.state(), **self._loop.command_state()}
        return {"trials": f"[{texts}]", **{name: json.dumps(value, allow_nan=False) for name, value in rest.items()}}
