"""The effects of users' commands on a study: outcomes, a pause, and configs to try next."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.searchers import Suggestion


@dataclass(slots=True)
class CommandState:
    """The effects of users' commands on a study."""

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
        """Take the outcomes and configs of an earlier session; a pause ends with its session."""
        self.outcomes.update({str(name): str(outcome) for name, outcome in state.get("outcomes", {}).items()})
        self.enqueued.extend(Suggestion(dict(one["config"]), one["reason"]) for one in state.get("enqueued", ()))
