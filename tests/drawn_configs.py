"""The configs of a job's trials, as a study without results draws them."""

from itertools import count, islice

from pipeline.searchers import History
from pipeline.space import Config, key_of
from pipeline.study import TuneJob
from pipeline.study.trial_configs import start_configs, suggestion_of_trial


def drawn_configs(job: TuneJob, number: int) -> list[Config]:
    """The configs of the first trials."""
    keys: set[str] = set()
    starts = start_configs(job)

    def configs():
        for index in count():
            config = suggestion_of_trial(job, index, History(), keys=keys, starts=starts).config
            keys.add(key_of(config))
            yield config

    return list(islice(configs(), number))
