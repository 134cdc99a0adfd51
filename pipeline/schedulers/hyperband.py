"""Hyperband: brackets of trials that start together, from many short trials to a few long ones.

Of a bracket the best continue from rung to rung, as soon as all have reported.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, count, takewhile
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import (
    Decision,
    ObjectiveValues,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
)
from pipeline.schedulers.rungs import Factor, Rung, Rungs
from pipeline.space import Config, Count
from pipeline.text import DrawOrder, draw_order


@dataclass(frozen=True)
class Hyperband(SchedulerSettings):
    """Hyperband (Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization").

    Synchronous, as published: trials are assigned to brackets as they are drawn. The first bracket has the most trials
    and compares them from the first rung on; each later one has fewer and starts one rung later; the last one trains
    all of its trials to the end. At a rung trials are paused until all of their bracket are there; the best
    1/reduction_factor continue, at least one, and the others stop. A worker that would have to wait starts the next
    bracket. After the last bracket the first one follows again, until the budget's trials are assigned. Rungs are the
    maximum divided by powers of the reduction factor, down to one epoch, and rounded.

    Args:
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
        max_epochs: The maximum epochs from which the rungs are derived; at least 1. By default those of the budget with
            which the study begins, even if it resumes with another.
    """

    title: ClassVar[str] = "Hyperband"
    pauses: ClassVar[bool] = True
    reduction_factor: Factor = 3.0
    max_epochs: Count | None = None
    kind: Literal["hyperband"] = field(default="hyperband", repr=False)

    def defaults(self, epochs: int) -> dict[str, Any]:
        return {"max_epochs": epochs}

    def next_milestone(self, epoch: int, epochs: int) -> int:
        return next((rung for rung in self._rungs(epochs) if rung > epoch), epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _Hyperband(self._rungs(context.epochs), self.reduction_factor, context)

    def _rungs(self, epochs: int) -> tuple[int, ...]:
        return _divided_rungs(self.max_epochs or epochs, self.reduction_factor, epochs)


@lru_cache
def _divided_rungs(max_epochs: int, reduction_factor: float, epochs: int) -> tuple[int, ...]:
    divisions = next(power for power in count() if max_epochs / reduction_factor ** (power + 1) < 1)
    below = (max_epochs / reduction_factor**power for power in range(divisions, 0, -1))
    above = (max_epochs * reduction_factor**power for power in count())
    whole = (math.floor(milestone + 0.5) for milestone in chain(below, above))
    return (*dict.fromkeys(takewhile(lambda epoch: epoch < epochs, whole)), epochs)


class _Bracket:
    """Trials that are compared with each other, from the rung with a number on."""

    def __init__(self, first: int, size: int, rungs: Rungs, factor: float) -> None:
        self.first, self.size, self.rungs, self._factor = first, size, rungs, factor
        self.trials: list[str] = []
        self.decided: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether no trial can join it: it has its size, or has started to compare."""
        return len(self.trials) >= self.size or bool(self.decided)

    def compare(self, ended: set[str]) -> list[str]:
        """Decide at every rung at which all its trials have reported; returns the trials that continue."""
        coming, on = self.trials, list[str]()
        # At the last epoch nothing is compared, unless the trials' maximum is raised.
        for epoch, rung in list(self.rungs.items())[:-1]:
            if epoch not in self.decided:
                if any(trial_id not in rung.values and trial_id not in ended for trial_id in coming):
                    break
                for trial_id in rung.ranking[: max(1, math.floor(len(coming) / self._factor))]:
                    rung.promote(trial_id)
                self.decided.add(epoch)
                on += rung.promoted
            coming = list(rung.promoted)
        return on

    def place(self, trial_id: str, rung: Rung) -> str:
        return f"{rung.place(trial_id)} of bracket {self.first}"

    def cutoff(self, rung: Rung) -> float | None:
        return rung.value_at(max(map(rung.rank, rung.promoted))) if rung.promoted else None

    def stop_decision(self, trial_id: str, rung: Rung) -> Decision:
        reason = f"{self.place(trial_id, rung)}, of which {len(rung.promoted)} continue"
        return Decision("stop", reason, rung=rung.epoch, cutoff=self.cutoff(rung))


class _Hyperband(Scheduler):
    """Assigns trials to brackets, each of which begins one rung later, and halves each bracket."""

    def __init__(self, epochs: Sequence[int], factor: float, context: SchedulerContext) -> None:
        self._epochs, self._factor, self._mode, self.trials = epochs, factor, context.mode, context.trials
        self._brackets: list[_Bracket] = []
        # Those in which not all trials have ended: a search of all of them takes longer with each trial.
        self._live: list[_Bracket] = []
        self._bracket_of: dict[str, _Bracket] = {}
        self._ended: set[str] = set()
        # Trials that may continue and have not started again.
        self._due: set[str] = set()

    def add(self, trial_id: str, config: Config) -> None:
        """Add a trial to the bracket that is being filled, or start the next one."""
        if not self._brackets or self._brackets[-1].is_full:
            first = (self._brackets[-1].first + 1) % len(self._epochs) if self._brackets else 0
            self._live.append(self._new_bracket(first))
        bracket = self._bracket_of[trial_id] = self._brackets[-1]
        bracket.trials.append(trial_id)

    def _new_bracket(self, first: int) -> _Bracket:
        own = Rungs(Rung(epoch, self._mode, self._factor) for epoch in self._epochs[first:])
        size = math.ceil(len(self._epochs) / len(own) * self._factor ** (len(own) - 1))
        self._brackets.append(_Bracket(first, size, own, self._factor))
        return self._brackets[-1]

    def start(self, trial_id: str) -> None:
        self._due.discard(trial_id)

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        bracket = self._bracket_of[trial_id]
        if (before := bracket.rungs.decided(trial_id, epoch, value)) is not None:
            return before
        rung = bracket.rungs[epoch]
        rung.report(trial_id, value, None)
        if epoch == self._epochs[-1]:
            return Decision("continue", f"{bracket.place(trial_id, rung)}, the last")
        if epoch not in bracket.decided:
            reason = f"{rung.place(trial_id)} so far; waits for the others of bracket {bracket.first}"
            return Decision("pause", reason, rung=epoch)
        # The others were compared while this trial counted as ended.
        cutoff = bracket.cutoff(rung)
        if cutoff is not None and (value < cutoff if self._mode == "max" else value > cutoff):
            return bracket.stop_decision(trial_id, rung)
        rung.promote(trial_id)
        return Decision("continue", f"{bracket.place(trial_id, rung)}, late", rung=epoch, cutoff=cutoff)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        self._ended.add(trial_id)
        self._due.discard(trial_id)

    def choose(self, candidates: Collection[str]) -> Decision | None:
        """The trial that continues in the earliest bracket, the furthest first; None for a new trial."""
        waiting = set(candidates)
        if back := self._ended & waiting:
            self._ended -= back
            self._live = list(self._brackets)
        newest = self._brackets[-1:]
        self._live = [one for one in self._live if one in newest or not self._ended.issuperset(one.trials)]
        for bracket in self._live:
            if bracket.is_full or len(self._bracket_of) >= self.trials:
                self._due |= waiting.intersection(bracket.compare(self._ended))
            free = [each for each in bracket.trials if each in waiting and not bracket.rungs.hold(each)]
            if free:
                return self._chosen(min(free, key=self._turn), bracket)
        return None

    def trials_to_stop(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        out = {}
        for trial_id in candidates:
            bracket = self._bracket_of[trial_id]
            rung = bracket.rungs.newest(trial_id)
            if rung is not None and rung.epoch in bracket.decided and trial_id not in rung.promoted:
                out[trial_id] = bracket.stop_decision(trial_id, rung)
        rest = [trial_id for trial_id in candidates if trial_id not in out]
        return {**out, **super().trials_to_stop(rest, exhausted=exhausted)}

    def state(self) -> dict[str, Any]:
        brackets = [
            {"first": one.first, "size": one.size, "trials": one.trials, "decided": sorted(one.decided)}
            | {"rungs": one.rungs.state()}
            for one in self._brackets
        ]
        return {"brackets": brackets, "ended": sorted(self._ended), "due": sorted(self._due)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`; brackets keep their sizes."""
        self._brackets, self._bracket_of = [], {}
        for fields in state["brackets"]:
            bracket = self._new_bracket(min(fields["first"], len(self._epochs) - 1))
            bracket.size, bracket.trials = fields["size"], list(fields["trials"])
            bracket.decided = {epoch for epoch in fields["decided"] if epoch in bracket.rungs}
            bracket.rungs.restore(fields["rungs"])
            self._bracket_of |= dict.fromkeys(bracket.trials, bracket)
        self._live = list(self._brackets)
        self._ended, self._due = set(state["ended"]), set(state["due"])

    def _turn(self, trial_id: str) -> tuple[int, DrawOrder]:
        """The order of free trials: those at higher rungs first, whose checkpoints can then be deleted sooner."""
        rung = self._bracket_of[trial_id].rungs.newest(trial_id)
        return -(rung.epoch if rung else 0), draw_order(trial_id)

    def _chosen(self, trial_id: str, bracket: _Bracket) -> Decision:
        rung = bracket.rungs.newest(trial_id)
        if rung is None or trial_id not in self._due:
            reason = f"the earliest of bracket {bracket.first} that no rung has paused"
            return Decision("resume", reason, trial_id=trial_id)
        reason = f"{bracket.place(trial_id, rung)}, one of the {len(rung.promoted)} that continue"
        cutoff = bracket.cutoff(rung)
        return Decision("promote", reason, rung=rung.epoch, cutoff=cutoff, trial_id=trial_id)
