"""A bracket: trials that start together, of which the best continue from rung to rung."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.schedulers.base import Decision, Mode
from pipeline.schedulers.rungs import Rung


class Bracket:
    """Trials of Hyperband or successive halving that are compared with each other, rung by rung."""

    def __init__(
        self, number: int, at: Sequence[int], factor: float, mode: Mode, size: int | None, *, label: int | None = None
    ) -> None:
        self.number, self._label = number, number if label is None else label
        self.size = size or math.ceil(len(at) / (len(at) - number) * factor ** (len(at) - number - 1))
        self.trials: list[str] = []
        # At the last epoch nothing is compared, unless the trials' maximum is raised.
        self.rungs = {epoch: Rung(epoch, mode) for epoch in at[number:]}
        self.decided: set[int] = set()
        self.changed = True
        """Whether a trial has reported or ended since the last look at its rungs."""
        self._end, self._factor = at[-1], factor

    @property
    def is_full(self) -> bool:
        """Whether no trial can join it: it has its size, or has started to compare."""
        return len(self.trials) >= self.size or bool(self.decided)

    def newest(self, trial_id: str) -> Rung | None:
        """The highest rung at which a trial reported."""
        return next((rung for rung in reversed(self.rungs.values()) if trial_id in rung.values), None)

    def compare(self, ended: set[str]) -> list[str]:
        """Decide at every rung at which all its trials have reported."""
        coming, on = self.trials, list[str]()
        self.changed = False
        for epoch, rung in self.rungs.items():
            if epoch == self._end:
                break
            if epoch not in self.decided:
                if any(trial_id not in rung.values and trial_id not in ended for trial_id in coming):
                    break
                keep = max(1, math.floor(len(coming) / self._factor))
                for trial_id in rung.ranking[:keep]:
                    rung.promote(trial_id)
                self.decided.add(epoch)
                on += rung.promoted
            coming = list(rung.promoted)
        return on

    def cutoff(self, rung: Rung) -> float | None:
        """The value of the last trial that continues from a rung."""
        return min((rung.values[t] for t in rung.promoted), key=lambda v: v if rung.mode == "max" else -v, default=None)

    def stop_decision(self, trial_id: str, rung: Rung) -> Decision:
        """The decision to stop a trial at a rung."""
        many = f"{len(rung.promoted)} continue" if len(rung.promoted) > 1 else "one continues"
        reason = f"{rung.place(trial_id)} of {self.name}, of which {many}"
        return Decision("stop", reason, rung=rung.epoch, cutoff=self.cutoff(rung))

    @property
    def name(self) -> str:
        """Its name in reasons."""
        return f"bracket {self._label}"

    def state(self) -> dict[str, Any]:
        """Its state as JSON values."""
        return {
            "number": self.number,
            "size": self.size,
            "trials": list(self.trials),
            "decided": sorted(self.decided),
            "rungs": {str(epoch): rung.state() for epoch, rung in self.rungs.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`."""
        self.size, self.trials = state["size"], list(state["trials"])
        self.decided = {epoch for epoch in state["decided"] if epoch in self.rungs}
        for epoch, rung in self.rungs.items():
            if str(epoch) in state["rungs"]:
                rung.restore(state["rungs"][str(epoch)])
