"""Hyperband: successive halving in several brackets, from many short trials to a few long ones."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Decision, Scheduler, SchedulerContext, Selection
from pipeline.schedulers.bracket import Bracket
from pipeline.schedulers.rungs import divided_rungs, rungs
from pipeline.schedulers.settings import SchedulerSettings, beyond_maximum
from pipeline.space import Config, Count, Real
from pipeline.trial_ids import DrawOrder, draw_order


@dataclass(frozen=True)
class Hyperband(SchedulerSettings):
    """Hyperband (Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization").

    Synchronous, as published: trials are assigned to brackets as they are drawn. The first bracket has the most trials
    and compares them from the first rung on; each later one has fewer and starts one rung later; the last one trains
    all of its trials to the end. At a rung trials are paused until all of their bracket are there; the best
    1/reduction_factor continue, at least one, and the others stop. A worker that would have to wait starts the next
    bracket. After the last bracket the first one follows again, until the budget's trials are assigned.

    Args:
        grace_period: Epochs of the first rung, from which the others grow; at least 1. By default rungs are as
            published: the maximum divided by powers of the reduction factor, down to one epoch, and rounded.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
        max_epochs: The maximum epochs from which the default rungs are derived; at least 1. By default those of the
            budget with which the study begins, even if it resumes with another. Only without `grace_period`.
    """

    title: ClassVar[str] = "Hyperband"
    pauses: ClassVar[bool] = True
    grace_period: Count | None = None
    reduction_factor: Annotated[Real, Field(ge=1.01)] = 3.0
    max_epochs: Count | None = None
    kind: Literal["hyperband"] = field(default="hyperband", repr=False)

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first rung beyond a trial's maximum is never reached, and rungs are derived in one way only."""
        if self.grace_period is None:
            return []
        faults = beyond_maximum("grace_period", self.grace_period, epochs)
        if self.max_epochs is not None:
            allowed = "must be left out where scheduler.grace_period is given, from which the rungs grow"
            faults.append(Fault("scheduler.max_epochs", self.max_epochs, allowed))
        return faults

    def resolved(self, epochs: int, before: SchedulerSettings | None = None) -> Self:
        """The settings with what their rungs are derived from: as the study began, else the budget's maximum."""
        if self.grace_period is not None or self.max_epochs is not None:
            return self
        if isinstance(before, type(self)):
            return replace(self, grace_period=before.grace_period, max_epochs=before.max_epochs)
        return replace(self, max_epochs=epochs)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next rung, or the end."""
        return next((rung for rung in self.rungs(epochs) if rung > epoch), epochs)

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """The rungs below a trial's maximum.

        Args:
            epochs: The maximum epochs of a trial.

        Returns:
            Epochs, ascending, each below `epochs`.
        """
        if self.grace_period is not None:
            return rungs(self.grace_period, self.reduction_factor, epochs)
        return divided_rungs(self.max_epochs or epochs, self.reduction_factor, epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return Brackets((*self.rungs(context.epochs), context.epochs), self.reduction_factor, context)


class Brackets(Scheduler):
    """Assigns trials to brackets, and halves each bracket."""

    def __init__(self, at: Sequence[int], factor: float, context: SchedulerContext, size: int | None = None) -> None:
        self._at, self._factor, self._size, self._context = at, factor, size, context
        self._brackets: list[Bracket] = []
        # Those in which not all trials have ended: a search of all of them takes longer with each trial.
        self._live: list[Bracket] = []
        self._of: dict[str, Bracket] = {}
        self._ended: set[str] = set()
        self._due: set[str] = set()
        # Trials that a rung has paused and that do not continue, and those of them that were compared: a look at the
        # rungs of all trials takes longer with each worker.
        self._held: set[str] = set()
        self._compared: set[str] = set()

    def add(self, trial_id: str, config: Config) -> None:
        """Add a trial to the bracket that is being filled, or start the next one."""
        if not self._brackets or self._brackets[-1].is_full:
            last = self._brackets[-1].number if self._brackets else -1
            self._brackets.append(self._bracket(0 if self._size else (last + 1) % len(self._at)))
        bracket = self._of[trial_id] = self._brackets[-1]
        bracket.trials.append(trial_id)
        bracket.changed = True
        if not self._live or self._live[-1] is not bracket:
            self._live.append(bracket)

    def start(self, trial_id: str) -> None:
        """A trial runs from now on."""
        self._due.discard(trial_id)

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Pause a trial at a rung until all of its bracket have reached it."""
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
            self._held.add(trial_id)
            bracket.changed = True
            return Decision(
                "pause", f"{rung.place(trial_id)} so far; waits for the others of {bracket.name}", rung=epoch
            )
        # The others were compared while this trial counted as ended.
        cutoff = bracket.cutoff(rung)
        if cutoff is not None and (value < cutoff if self._context.mode == "max" else value > cutoff):
            return bracket.stop_decision(trial_id, rung)
        rung.promote(trial_id)
        return Decision("continue", f"{rung.place(trial_id)} of {bracket.name}, late", rung=epoch, cutoff=cutoff)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """A trial will not report again."""
        self._ended.add(trial_id)
        self._of[trial_id].changed = True
        self._due.discard(trial_id)

    def limit_trials(self, trials: int) -> None:
        """The last bracket waits for no more trials than can be drawn."""
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """The trial that continues in the earliest bracket, the furthest first; None for a new trial."""
        waiting = set(candidates)
        if back := self._ended & waiting:
            self._ended -= back
            self._live = list(self._brackets)
        self._live = [bracket for bracket in self._live if not self._ended.issuperset(bracket.trials)]
        free = defaultdict[Bracket, list[str]](list)
        for trial_id in waiting - self._held:
            free[self._of[trial_id]].append(trial_id)
        for bracket in self._live:
            if bracket.changed and (bracket.is_full or len(self._of) >= self._context.trials):
                on = set(bracket.compare(self._ended))
                self._held -= on
                self._compared |= self._losers(bracket.trials) if on else set()
                self._due |= on & waiting
                free[bracket] += on & waiting
            if free.get(bracket):
                return self._chosen(min(free[bracket], key=self._turn), bracket)
        return None

    def trials_to_stop(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        """The trials that were compared and do not continue."""
        out = {}
        for trial_id in candidates:
            if trial_id in self._compared and (rung := self._of[trial_id].newest(trial_id)) is not None:
                out[trial_id] = self._of[trial_id].stop_decision(trial_id, rung)
        rest = [trial_id for trial_id in candidates if trial_id not in out]
        return {**out, **super().trials_to_stop(rest, exhausted=exhausted)}

    def state(self) -> dict[str, Any]:
        """The brackets, and the trials that ended or are due."""
        brackets = [bracket.state() for bracket in self._brackets]
        return {"brackets": brackets, "ended": sorted(self._ended), "due": sorted(self._due)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`; brackets keep their sizes."""
        self._brackets, self._of = [], {}
        for fields in state["brackets"]:
            bracket = self._bracket(min(fields["number"], len(self._at) - 1))
            bracket.restore(fields)
            self._brackets.append(bracket)
            self._of |= dict.fromkeys(bracket.trials, bracket)
        self._live = list(self._brackets)
        self._ended, self._due = set(state["ended"]), set(state["due"])
        self._held = {trial_id for trial_id in self._of if self._holds(trial_id)}
        self._compared = self._losers(self._held)

    def _bracket(self, number: int) -> Bracket:
        # Brackets of equal size all have the number 0.
        label = len(self._brackets) if self._size else number
        return Bracket(number, self._at, self._factor, self._context.mode, self._size, label=label)

    def _holds(self, trial_id: str) -> bool:
        rung = self._of[trial_id].newest(trial_id)
        return rung is not None and rung.epoch != self._at[-1] and trial_id not in rung.promoted

    def _losers(self, trials: Iterable[str]) -> set[str]:
        """Those of some trials that their rung has compared, and that do not continue."""
        held = [(trial_id, self._of[trial_id]) for trial_id in trials if trial_id in self._held]
        newest = ((trial_id, bracket, bracket.newest(trial_id)) for trial_id, bracket in held)
        return {trial_id for trial_id, bracket, rung in newest if rung is not None and rung.epoch in bracket.decided}

    def _turn(self, trial_id: str) -> tuple[int, DrawOrder]:
        """The order of free trials: those at higher rungs first, whose checkpoints can then be deleted sooner."""
        rung = self._of[trial_id].newest(trial_id)
        return -(rung.epoch if rung else 0), draw_order(trial_id)

    def _chosen(self, trial_id: str, bracket: Bracket) -> Selection:
        rung = bracket.newest(trial_id)
        if rung is None or trial_id not in self._due:
            return Selection(trial_id, f"the earliest of {bracket.name} that no rung has paused")
        which = f"one of the {len(rung.promoted)} that continue" if len(rung.promoted) > 1 else "the one that continues"
        reason = f"{rung.place(trial_id)} of {bracket.name}, {which}"
        return Selection(trial_id, reason, promoted=True, rung=rung.epoch, cutoff=bracket.cutoff(rung))
