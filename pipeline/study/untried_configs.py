"""Each config once: a study draws again if a config was tried, and ends when none is left."""

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from pipeline.searchers import Suggestion
from pipeline.space import combination, combinations, draw, drawn_parameters, is_continuous, key_of
from pipeline.space.random_streams import RandomStream
from pipeline.study.job_fields import JobFields

_ATTEMPTS = 8
"""Number of additional draws by the searcher; after them, any config that is left is taken."""

_MAX_DRAWS = 1000
"""Number of random draws in a space of infinitely many configs, before a repeated config is accepted."""


def draws_each_config_once(job: JobFields) -> bool:
    """Whether a study tries each config once.

    False if two trials of one config differ: in their initial weights, or because a scheduler changes configs later.
    Also false if every config has a real number, so that no two are equal.
    """
    return equal_configs_train_equally(job) and not is_continuous(job.space) and bool(drawn_parameters(job.space))


def equal_configs_train_equally(job: JobFields) -> bool:
    """Whether two trials of one config would be the same."""
    return not (job.trial_seeds or job.scheduler.exploits)


def untried_config(
    space: Any, first: Suggestion, tried: Container[str], drawn: Callable[[int], Suggestion], *, seed: int, number: int
) -> Suggestion:
    """A config that was not tried: the drawn one, another draw, or any that is left."""
    attempt, proposal = 0, first
    while key_of(proposal.config) in tried and attempt < _ATTEMPTS:
        attempt += 1
        again = np.random.default_rng([seed, number, RandomStream.FURTHER_CONFIGS, attempt])
        proposal = drawn(int(again.integers(2**31)))
    if key_of(proposal.config) not in tried:
        return proposal
    rng, size = np.random.default_rng([seed, number, RandomStream.FURTHER_CONFIGS]), combinations(space)
    # A space of many parameters has more configs than the largest float.
    start = 0 if size is None else int(rng.random() * min(size, 2**1000))
    for step in range(_MAX_DRAWS if size is None else size):
        config = draw(space, rng) if size is None else combination(space, (start + step) % size)
        if key_of(config) not in tried:
            return Suggestion(
                config, "One of the remaining configs: the searcher drew only configs that had been tried."
            )
    return proposal
