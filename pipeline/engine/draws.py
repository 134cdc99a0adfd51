"""The source of the configs of a study's trials."""

import zlib
from collections.abc import Callable, Collection, Container, Sequence
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np

from pipeline.engine.messages import objective_values_of
from pipeline.engine.trial import Trial
from pipeline.schedulers import Mode, ObjectiveValues
from pipeline.searchers import History, Observation, Suggestion
from pipeline.space import Config, RandomStream, combination, combinations, fits, key_of
from pipeline.study import Objective, TuneJob
from pipeline.study.trial_configs import draws_each_config_once, start_configs

_FURTHER_DRAWS = 8
"""Number of additional draws by the searcher; after them, any config that is left is taken."""

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


def suggestion_of_trial(
    job: TuneJob, index: int, history: History, *, keys: Container[str], starts: Sequence[Config]
) -> Suggestion:
    """The config of trial number `index`, and why it was drawn; `keys` are those of the configs before."""
    if index < len(starts):
        other = "" if job.start_from is None else f", its own or of {job.start_from.study!r}"
        return Suggestion(starts[index], f"A config that the study starts with{other}.")
    number, seed = index - len(starts), job.seed
    if job.start_from is not None:
        # The study that this one starts from may have the same seed.
        seed = int(np.random.default_rng([seed, zlib.crc32(job.start_from.study.encode())]).integers(2**31))

    def drawn(from_seed: int) -> Suggestion:
        return job.searcher.suggest(job.space, seed=from_seed, index=number, history=history, epochs=job.budget.epochs)

    attempt, proposal = 0, drawn(seed)
    if not draws_each_config_once(job):
        return proposal
    while key_of(proposal.config) in keys and attempt < _FURTHER_DRAWS:
        attempt += 1
        again = np.random.default_rng([seed, number, RandomStream.FURTHER_CONFIGS, attempt])
        proposal = drawn(int(again.integers(2**31)))
    size = combinations(job.space)
    if key_of(proposal.config) not in keys or size is None:
        return proposal
    rng = np.random.default_rng([seed, number, RandomStream.FURTHER_CONFIGS])
    # A space of many parameters has more configs than the largest float.
    start = int(rng.random() * min(size, 2**1000))
    remaining = (combination(job.space, (start + step) % size) for step in range(size))
    config = next((config for config in remaining if key_of(config) not in keys), None)
    if config is None:
        return proposal
    return Suggestion(config, "One of the remaining configs: the searcher drew only configs that had been tried.")


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
