"""The config of a study's trial number i: first the start configs, then the searcher's draws."""

import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import Fault
from pipeline.searchers import Observation, Suggestion
from pipeline.searchers.history import History
from pipeline.space import (
    Config,
    ParameterPath,
    Value,
    combinations,
    compose,
    drawn_parameters,
    fits,
    key_of,
    walk,
)
from pipeline.space.random_streams import RandomStream
from pipeline.space.walk import fitting
from pipeline.study.field_names import unknown
from pipeline.study.job_fields import JobFields
from pipeline.study.untried_configs import draws_each_config_once, equal_configs_train_equally, untried_config
from pipeline.wording import counted, is_or_are

_ATTEMPTS = 20


def config_of_trial(
    job: JobFields, index: int, observations: Iterable[Observation] | None = None, *, keys: Container[str] | None = None
) -> Config:
    """The config of a trial: the searcher's draw, repeated if that config was tried before."""
    return suggestion_of_trial(job, index, observations, keys=keys).config


def suggestion_of_trial(
    job: JobFields,
    index: int,
    observations: Iterable[Observation] | None = None,
    *,
    keys: Container[str] | None = None,
    starts: Sequence[Config] | None = None,
) -> Suggestion:
    """The config of trial number `index`, as `config_of_trial` returns it, and why it was drawn."""
    starts, seed = start_configs(job) if starts is None else starts, _seed_of_draws(job)
    if index < len(starts):
        return Suggestion(starts[index], _reason_of_start(job))
    number = index - len(starts)
    for taken in _drawn_by_starts(job, starts):
        number += number >= taken
    unique = draws_each_config_once(job)
    if keys is None and unique:
        observations = None if observations is None else list(observations)
        before = _configs_before(job, index) if observations is None else [one.config for one in observations]
        keys = {key_of(config) for config in before}
    known: Sequence[Observation] = ()
    if isinstance(observations, History):
        known = observations
    elif job.searcher.learns:
        # The user may have accepted changed domains since.
        fits_space = fitting(job.space)
        known = [one for one in observations or () if fits_space(one.config)]

    def drawn(from_seed: int) -> Suggestion:
        return job.searcher.suggest(
            job.space, seed=from_seed, index=number, observations=known, epochs=job.budget.epochs
        )

    first = drawn(seed)
    return untried_config(job.space, first, keys or (), drawn, seed=seed, number=number) if unique else first


def _reason_of_start(job: JobFields) -> str:
    if (source := job.start_from) is None:
        return "A config that the study starts with."
    return f"A config that the study starts with, its own or of {source.study!r}."


def _configs_before(job: JobFields, index: int) -> list[Config]:
    configs: list[Config] = []
    for earlier in range(index):
        keys = {key_of(config) for config in configs}
        configs.append(config_of_trial(job, earlier, (), keys=keys))
    return configs


def _seed_of_draws(job: JobFields) -> int:
    """The seed of draws. Studies before this one may have the same seed, so their names are included."""
    names = [*([] if job.start_from is None else [job.start_from.study]), *job.learn_from]
    if not names:
        return job.seed
    return int(np.random.default_rng([job.seed, *(zlib.crc32(name.encode()) for name in names)]).integers(2**31))


def start_configs(job: JobFields) -> list[Config]:
    """The start configs of the study, completed: its first trials.

    Random values make a completed config different from earlier ones. A config that is given twice, without random
    values, is included once, unless two trials of one config differ.
    """
    configs: dict[str, Config] = {}
    unique = equal_configs_train_equally(job)
    for index, given in enumerate(job.start_with):
        for attempt in range(_ATTEMPTS):
            # The first attempt is what earlier versions drew.
            rng = np.random.default_rng([job.seed, index, RandomStream.START_CONFIGS, *([attempt] if attempt else [])])
            config = _completed(job, given, rng)
            if not unique or key_of(config) not in configs:
                break
        configs.setdefault(key_of(config) if unique else str(index), config)
    return list(configs.values())


def completed(job: JobFields, given: Mapping[str, Value], name: str) -> Config:
    """A config that a user gives to a running study, with the parameters drawn that it leaves out."""
    rng = np.random.default_rng([job.seed, zlib.crc32(name.encode()), RandomStream.FURTHER_CONFIGS])
    return _completed(job, given, rng)


def _completed(job: JobFields, given: Mapping[str, Value], rng: np.random.Generator) -> Config:
    def pick(parameter: ParameterPath) -> Value:
        if parameter.name not in given:
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        return parameter.domain.as_drawn(given[parameter.name])  # type: ignore[no-any-return]

    return compose(job.space, pick)


def _drawn_by_starts(job: JobFields, starts: Iterable[Config]) -> list[int]:
    """The numbers of draws that equal start configs: the searcher skips them, so that they are not trained twice."""
    if job.searcher.size(job.space) is None:
        return []
    numbers = {job.searcher.number_of(job.space, start) for start in starts if fits(job.space, start)}
    return sorted(number for number in numbers if number is not None)


def seed_of_trial(job: JobFields, index: int) -> int:
    """The seed of a trial's initial weights and shuffling."""
    return job.seed + index if job.trial_seeds else job.seed


def trials_in_all(job: JobFields) -> int:
    """The largest number of trials of the study: its budget, or the number of configs."""
    if (size := configs_in_all(job)) is None:
        return job.budget.trials
    starts = start_configs(job)
    drawn = bool(drawn_parameters(job.space))
    # If two trials of one config differ, a start config that is given twice is trained twice.
    twice = len(starts) - len({key_of(start) for start in starts if fits(job.space, start)}) if drawn else 0
    return min(job.budget.trials, twice + size)


def configs_in_all(job: JobFields) -> int | None:
    """The number of configs that the study can try, each once; None if it is infinite, or if configs may repeat."""
    if not drawn_parameters(job.space):
        # Several trials of one config are useful only if each has its own initial weights.
        return None if job.trial_seeds else 1
    return combinations(job.space) if draws_each_config_once(job) else job.searcher.size(job.space)


def all_tried(job: JobFields, trials: int) -> str | None:
    """A message that every config of the space was tried; None if not, or if the budget allows no more trials."""
    size = configs_in_all(job)
    if size is None or trials < trials_in_all(job) or job.budget.trials <= trials:
        return None
    return f"All {size} configs of the space were tried." if size > 1 else "The only config of the space was tried."


def fewer_trials(job: JobFields) -> str | None:
    """A message why the study has fewer trials than its budget allows; None if it has as many."""
    count, wanted = trials_in_all(job), job.budget.trials
    if count == wanted:
        return None
    if not drawn_parameters(job.space):
        return (
            f"The space has nothing to draw, so all {wanted} trials would be equal: only 1 is run. trial_seeds=True "
            "gives each trial its own initial weights."
        )
    trials = f"{counted(count, 'trial')} {is_or_are(count)} run"
    return f"The space has only {counted(count, 'config')}: {trials}, not {wanted:,}."


def start_faults(space: Mapping[str, Any], config: Mapping[str, Value], path: str) -> Iterator[Fault]:
    """What is wrong with a start config."""
    parameters: dict[str, list[ParameterPath]] = {}
    for parameter in walk(space):
        parameters.setdefault(parameter.name, []).append(parameter)
    for name, value in config.items():
        field, known = f"{path}.{name}", parameters.get(name, [])
        here = next((parameter for parameter in known if parameter.is_present(config)), None)
        if not known:
            yield Fault(field, value, unknown("hyperparameter", parameters, name))
        elif here is None:
            needed = " or ".join(" and ".join(f"{s} {b!r}" for s, b in parameter.when) for parameter in known)
            yield Fault(field, value, f"requires also: {needed}")
        elif not here.drawn and key_of(value) != key_of(here.domain):
            yield Fault(field, value, f"must be {here.domain!r}, which the space fixes it at, or be left out")
        elif here.drawn and not here.domain.contains(value):
            yield Fault(field, value, f"must be a value of its domain, {here.domain!r}")
