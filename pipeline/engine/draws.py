"""The source of the configs of a study's trials."""

from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Literal, TypeAlias

from pipeline.engine.messages import objective_values_of
from pipeline.engine.trial import Trial
from pipeline.schedulers import Mode, ObjectiveValues
from pipeline.searchers import History, Observation, Suggestion
from pipeline.space import fits, key_of
from pipeline.study import Objective, TuneJob
from pipeline.study.trial_configs import draws_each_config_once, start_configs, suggestion_of_trial

Trials: TypeAlias = Collection[Trial]
"""All trials of a study, in the order of their draw."""

Draw: TypeAlias = Callable[[int, Trials, Collection[str]], Suggestion | None]
"""Returns the config of a trial, and why it was drawn, from its number, the trials before it, and the ids of those that
may have changed since the last draw; None if there is none now."""


def own_draw(job: TuneJob) -> Draw:
    """The draw that the job specifies: its start configs, then its searcher's draws, each config once."""
    unique, learns, starts = draws_each_config_once(job), job.searcher.learns, start_configs(job)
    keys: set[str] = set()
    observations, seen = _Observations(job), 0

    def draw(index: int, trials: Trials, changed: Collection[str]) -> Suggestion:
        nonlocal seen
        observations.update(changed)
        for trial in since(trials, seen):
            if unique:
                keys.add(key_of(trial.config))
            if learns:
                observations.add(trial)
        seen = len(trials)
        return suggestion_of_trial(job, index, observations.history, keys=keys, starts=starts)

    return draw


def since(trials: Trials, count: int) -> list[Trial]:
    """The trials after the first ones."""
    return list(islice(trials, count, None))


class _Observations:
    """Observations of trials; those of trials that have ended are made once."""

    def __init__(self, job: TuneJob) -> None:
        self._mode = job.objective.mode
        several = len(job.objectives) > 1 or job.objective.bounded
        self._objectives = job.objectives if job.searcher.every_objective and several else ()
        self._space = job.space
        self.history = History()
        self._live: dict[str, tuple[int, Trial]] = {}

    def add(self, trial: Trial) -> None:
        one = observation(trial, self._mode, self._objectives)
        # The user may have accepted changed domains since.
        if not fits(self._space, one.config):
            return
        if trial.live:
            self._live[trial.trial_id] = len(self.history), trial
        self.history.append(one)

    def update(self, changed: Collection[str]) -> None:
        for trial_id in [each for each in changed if each in self._live]:
            number, trial = self._live[trial_id]
            one = observation(trial, self._mode, self._objectives)
            # The best epoch may have had a config from before a change of the domains.
            if one != self.history[number] and fits(self._space, one.config):
                self.history.replace(number, one)
            if not trial.live:
                del self._live[trial_id]


def observation(trial: Trial, mode: Mode, objectives: Sequence[Objective] = ()) -> Observation:
    """A trial as a searcher learns from it: with its best epoch and the config in force there, and every milestone.

    It counts so even if it was stopped early or is paused; one that has ended without a value counts as failed, and one
    that runs is open.
    """
    sign, best = -1 if mode == "max" else 1, trial.best
    milestones = sorted(trial.milestones.items())
    curve = tuple((epoch, sign * values[0]) for epoch, values in milestones if values[0] is not None)
    of_all = [(epoch, objective_values_of(values, objectives)) for epoch, values in milestones if objectives]
    milestone_values = tuple((epoch, one.losses, one.violation) for epoch, one in of_all)
    ended = not trial.live
    if best is None or trial.state in ("failed", "running"):
        state: Literal["failed", "open"] = "failed" if trial.state == "failed" or ended else "open"
        return Observation(trial.config, state, curve=curve, trial_id=trial.trial_id, milestone_values=milestone_values)
    if not curve and trial.segment == 1:
        curve = ((best.epoch, sign * best.value),)
    values = objective_values_of(best.values, objectives) if objectives else ObjectiveValues((), 0.0)
    return Observation(
        best.config,
        "known",
        sign * best.value,
        curve,
        trial.trial_id,
        trial.state == "completed",
        losses=values.losses,
        violation=values.violation,
        milestone_values=milestone_values,
    )
