"""The configs of a job's trials, as a study without results draws them, and single draws of a searcher."""

from collections.abc import Iterable, Mapping
from itertools import count, islice
from typing import Any

from pipeline.engine.draws import suggestion_of_trial
from pipeline.searchers import History, Observation, SearcherSettings
from pipeline.space import Config, key_of
from pipeline.study import TuneJob
from pipeline.study.trial_configs import start_configs


def drawn_configs(job: TuneJob, number: int) -> list[Config]:
    """The configs of the first trials."""
    keys, starts = set[str](), start_configs(job)

    def configs():
        for index in count():
            config = suggestion_of_trial(job, index, History(), keys=keys, starts=starts).config
            keys.add(key_of(config))
            yield config

    return list(islice(configs(), number))


def drawn_by(
    searcher: SearcherSettings,
    space: Mapping[str, Any],
    *,
    seed: int,
    index: int,
    observations: Iterable[Observation] = (),
) -> Config:
    """A draw for the last epoch that any trial has reached."""
    history = History(observations)
    last = max((epoch for one in history for epoch, _ in one.curve), default=1)
    return searcher.suggest(space, seed=seed, index=index, history=history, epochs=last).config
