"""The configs that a study starts with, and how many it can try."""

from collections.abc import Mapping

import numpy as np

from pipeline.space import (
    Config,
    ParameterPath,
    RandomStream,
    Value,
    combinations,
    compose,
    drawn_parameters,
    key_of,
)
from pipeline.study.job import TuneJob


def draws_each_config_once(job: TuneJob) -> bool:
    """Whether a study tries each config once: no if equal configs train differently."""
    # A searcher of Ray Tune, which no study resumes, may draw a config again.
    return _equal_configs_train_equally(job) and job.searcher.resumes and bool(drawn_parameters(job.space))


def _equal_configs_train_equally(job: TuneJob) -> bool:
    return not (job.trial_seeds or job.scheduler.exploits)


def start_configs(job: TuneJob) -> list[Config]:
    """The start configs of the study, completed: its first trials.

    A config that is given twice is included once, unless two trials of one config differ.
    """
    configs: dict[str, Config] = {}
    unique = _equal_configs_train_equally(job)
    for index, given in enumerate(job.start_with):
        config = _completed(job, given, np.random.default_rng([job.seed, index, RandomStream.START_CONFIGS]))
        configs.setdefault(key_of(config) if unique else str(index), config)
    return list(configs.values())


def _completed(job: TuneJob, given: Mapping[str, Value], rng: np.random.Generator) -> Config:
    def pick(parameter: ParameterPath) -> Value:
        if parameter.name not in given:
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        return parameter.domain.as_drawn(given[parameter.name])  # type: ignore[no-any-return]

    return compose(job.space, pick)


def seed_of_trial(job: TuneJob, index: int) -> int:
    return job.seed + index if job.trial_seeds else job.seed


def trials_in_all(job: TuneJob) -> int:
    """The largest number of trials of the study: its budget, or the number of configs."""
    size = _configs_in_all(job)
    return job.budget.trials if size is None else min(job.budget.trials, size)


def _configs_in_all(job: TuneJob) -> int | None:
    """The number of trials after which nothing is left to try; None if there is always something."""
    if not drawn_parameters(job.space):
        # Several trials of one config are useful only if each has its own initial weights.
        return None if job.trial_seeds else 1
    if draws_each_config_once(job):
        return combinations(job.space)
    size = job.searcher.size(job.space)
    return None if size is None else len(start_configs(job)) + size


def all_tried(job: TuneJob, trials: int) -> str | None:
    """A message that every config of the space was tried; None if not, or if the budget allows no more trials."""
    size = _configs_in_all(job)
    if size is None or trials < trials_in_all(job) or job.budget.trials <= trials:
        return None
    if not drawn_parameters(job.space):
        return "The space has nothing to draw. trial_seeds=True gives each trial its own initial weights."
    return f"Every config of the space was tried: {size}."
