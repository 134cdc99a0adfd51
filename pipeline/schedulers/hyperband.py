"""Hyperband: successive halving in several brackets, from many short trials to a few long ones."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.schedulers.base import Chosen, Decision, Mode, Scheduler, Setting, earliest
from pipeline.schedulers.rungs import Rung, RungSettings, rungs
from pipeline.space import Config
from pipeline.space.values import Real

__all__ = ["Hyperband"]


@dataclass(frozen=True)
class Hyperband(RungSettings):
    """Hyperband (Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization").

    Synchronous, as published: trials are dealt to brackets as they are drawn. The first bracket has the most trials and
    compares them from the first rung on, each further one has fewer and begins one rung later; the last one trains all
    of its trials to the end. At a rung trials are paused until all of their bracket are there; the best
    1/reduction_factor go on, at least one, and the others stop. A worker that would have to wait begins with the next
    bracket. After the last bracket comes the first one again, until the budget's trials are dealt.

    Args:
        grace_period: Epochs that every trial gets; the first rung. At least 1.
        reduction_factor: From rung to rung the epochs grow by this factor, and one trial in so many goes on. At least
            1.01.
    """

    pauses: ClassVar[bool] = True
    reduction_factor: Annotated[Real, Field(ge=1.01)] = 3.0
    kind: Literal["hyperband"] = field(default="hyperband", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        at = rungs(self.grace_period, self.reduction_factor, setting.epochs)
        return _Hyperband((*at, setting.epochs), self.reduction_factor, setting)


class _Bracket:
    """Trials that are compared with each other.

    Args:
        number: Which of the brackets it is, from 0; 0 has the most trials.
        at: All rungs in epochs, and a trial's end; those below its own first rung included.
        factor: One trial in so many goes on.
        mode: Whether larger or smaller values are better.
    """

    def __init__(self, number: int, at: Sequence[int], factor: float, mode: Mode) -> None:
        self.number = number
        self.size = math.ceil(len(at) / (len(at) - number) * factor ** (len(at) - number - 1))
        self.trials: list[str] = []
        # At the end nothing is compared, unless trials are given more epochs.
        self.rungs = {epoch: Rung(epoch, mode) for epoch in at[number:]}
        self.decided: set[int] = set()
        self._end, self._factor = at[-1], factor

    @property
    def full(self) -> bool:
        """Whether no trial can join it: it has its size, or has begun to compare without."""
        return len(self.trials) >= self.size or bool(self.decided)

    def newest(self, trial_id: str) -> Rung | None:
        """The highest rung at which a trial reported."""
        return next((rung for rung in reversed(self.rungs.values()) if trial_id in rung.values), None)

    def decide(self, ended: set[str]) -> list[str]:
        """Decide at every rung at which all have reported who may; returns those that go on.

        Args:
            ended: Trials that will not report any more.
        """
        coming, on = self.trials, list[str]()
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
        """The value of the last that goes on from a rung where that is decided; None where there is none."""
        return min((rung.values[t] for t in rung.promoted), key=lambda v: v if rung.mode == "max" else -v, default=None)

    def judged(self, trial_id: str, rung: Rung) -> Decision:
        """Why a trial goes no further than a rung."""
        many = f"{len(rung.promoted)} go on" if len(rung.promoted) > 1 else "one goes on"
        reason = f"{rung.place(trial_id)} of {self.name}, of which {many}"
        return Decision("stop", reason, rung=rung.epoch, cutoff=self.cutoff(rung))

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"bracket {self.number}"

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
        """Take over a state that `state` returned."""
        self.size, self.trials = state["size"], list(state["trials"])
        self.decided = {epoch for epoch in state["decided"] if epoch in self.rungs}
        for epoch, rung in self.rungs.items():
            if str(epoch) in state["rungs"]:
                rung.restore(state["rungs"][str(epoch)])


class _Hyperband(Scheduler):
    def __init__(self, at: Sequence[int], factor: float, setting: Setting) -> None:
        self._at, self._factor, self._setting = at, factor, setting
        self._brackets: list[_Bracket] = []
        self._of: dict[str, _Bracket] = {}
        self._ended: set[str] = set()
        self._due: set[str] = set()

    def add(self, trial_id: str, config: Config) -> None:
        if not self._brackets or self._brackets[-1].full:
            last = self._brackets[-1].number if self._brackets else -1
            self._brackets.append(self._bracket((last + 1) % len(self._at)))
        self._brackets[-1].trials.append(trial_id)
        self._of[trial_id] = self._brackets[-1]

    def start(self, trial_id: str) -> None:
        self._due.discard(trial_id)

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        bracket = self._of[trial_id]
        rung = bracket.rungs.get(epoch)
        if rung is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where {bracket.name} compares nothing")
        if trial_id in rung.values:
            return Decision("continue", f"rung {epoch} was decided before, with {rung.values[trial_id]:.6g}", epoch)
        rung.values[trial_id] = value
        if epoch == self._at[-1]:
            return Decision("continue", f"{rung.place(trial_id)} of {bracket.name}, the last")
        if epoch not in bracket.decided:
            return Decision(
                "pause", f"{rung.place(trial_id)} so far; waits for the others of {bracket.name}", rung=epoch
            )
        # The others were compared while it was thought to have ended.
        cutoff = bracket.cutoff(rung)
        if cutoff is not None and (value < cutoff if self._setting.mode == "max" else value > cutoff):
            return bracket.judged(trial_id, rung)
        rung.promote(trial_id)
        return Decision("continue", f"{rung.place(trial_id)} of {bracket.name}, late", rung=epoch, cutoff=cutoff)

    def end(self, trial_id: str) -> None:
        self._ended.add(trial_id)
        self._due.discard(trial_id)

    def choose(self, candidates: Collection[str]) -> Chosen | None:
        self._ended.difference_update(candidates)
        waiting = set(candidates)
        for bracket in self._brackets:
            if self._ended.issuperset(bracket.trials):
                continue
            if bracket.full or len(self._of) >= self._setting.trials:
                self._due.update(set(bracket.decide(self._ended)) & waiting)
            if free := [trial_id for trial_id in bracket.trials if trial_id in waiting and self._free(trial_id)]:
                return self._chosen(min(free, key=self._turn), bracket)
        return None

    def dismissed(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        out = {}
        for trial_id in candidates:
            bracket = self._of[trial_id]
            rung = bracket.newest(trial_id)
            if rung is not None and rung.epoch in bracket.decided and trial_id not in rung.promoted:
                out[trial_id] = bracket.judged(trial_id, rung)
        rest = [trial_id for trial_id in candidates if trial_id not in out]
        return {**out, **super().dismissed(rest, exhausted=exhausted)}

    def state(self) -> dict[str, Any]:
        brackets = [bracket.state() for bracket in self._brackets]
        return {"brackets": brackets, "ended": sorted(self._ended), "due": sorted(self._due)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._brackets, self._of = [], {}
        for fields in state["brackets"]:
            bracket = self._bracket(min(fields["number"], len(self._at) - 1))
            bracket.restore(fields)
            self._brackets.append(bracket)
            self._of |= dict.fromkeys(bracket.trials, bracket)
        self._ended, self._due = set(state["ended"]), set(state["due"])

    def _bracket(self, number: int) -> _Bracket:
        return _Bracket(number, self._at, self._factor, self._setting.mode)

    def _free(self, trial_id: str) -> bool:
        rung = self._of[trial_id].newest(trial_id)
        return rung is None or rung.epoch == self._at[-1] or trial_id in rung.promoted

    def _turn(self, trial_id: str) -> tuple[int, tuple[int, str]]:
        """The furthest first: what it leaves behind can be deleted sooner."""
        rung = self._of[trial_id].newest(trial_id)
        return -(rung.epoch if rung else 0), earliest(trial_id)

    def _chosen(self, trial_id: str, bracket: _Bracket) -> Chosen:
        rung = bracket.newest(trial_id)
        if rung is None or trial_id not in self._due:
            return Chosen(trial_id, f"the earliest of {bracket.name} that no rung holds")
        which = f"one of the {len(rung.promoted)} that go on" if len(rung.promoted) > 1 else "the one that goes on"
        reason = f"{rung.place(trial_id)} of {bracket.name}, {which}"
        return Chosen(trial_id, reason, promoted=True, rung=rung.epoch, cutoff=bracket.cutoff(rung))
