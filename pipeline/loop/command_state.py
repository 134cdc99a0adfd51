"""The effects of users' commands on a study: outcomes, a pause, and configs to try next."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.searchers import Suggestion

__all__ = ["CommandState"]


@dataclass(slots=True)
class CommandState:
    """The effects of users' commands on a study.

    Args:
        outcomes: The outcome of each command, in words, by the command's id.
        paused: Why a user has paused the study, in words; None if it is not paused.
        enqueued: Configs that users gave to the running study, to try next.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    paused: str | None = None
    enqueued: deque[Suggestion] = field(default_factory=deque)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {
            "outcomes": self.outcomes,
            "paused": self.paused,
            "enqueued": [{"config": one.config, "reason": one.reason} for one in self.enqueued],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the outcomes and configs of an earlier session; a pause ends with its session.

        Args:
            state: What `to_json` returned; studies of earlier versions lack its keys.
        """
        self.outcomes.update({str(name): str(outcome) for name, outcome in state.get("outcomes", {}).items()})
        self.enqueued.extend(Suggestion(dict(one["config"]), one["reason"]) for one in state.get("enqueued", ()))
