"""Studies that a later one learns from: of the same table, of a related one, and of such that mislead."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pipeline.engine.trial import observation
from pipeline.searchers import EarlierStudy
from pipeline.simulation.simulator import simulate
from tests.benchmarks.answers.simulated import BUDGET, PAIRS, job_of
from tests.benchmarks.answers.studies import Learner, boosting, descent, network
from tests.benchmarks.answers.tables import Live, Table

_PAIR = "promoting+curves"
_SEED = 1000
"""Seeds of earlier studies are this much larger: another seed than that of the study that learns."""

_RELATED: dict[str, Learner] = {
    "digits-network": partial(network, "wine"),
    "cancer-network": partial(network, "wine"),
    "diabetes-boosting": partial(boosting, "friedman"),
    "beale-noise": partial(descent, "himmelblau", 0.1),
    "spirals-network": partial(network, "rings"),
    "friedman-network": partial(network, "diabetes"),
}
"""What the earlier study trains, in the space of the development table: other data, or another surface."""


class _Related(Live):
    """Curves of the same space, trained on other data."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._learns: Any = _RELATED[name]

    def learner(self, config: Any, rng: np.random.Generator) -> Any:
        return self._learns(config, rng)


def _negated(name: str) -> Table:
    table = Table(name)
    # Near the best loss, losses differ by little, as those of good configs do.
    table.losses = table.losses.max() - table.losses
    return table


def _shuffled(name: str) -> Table:
    table = Table(name)
    table.losses = np.random.default_rng(0).permutation(table.losses)
    return table


KINDS: dict[str, Callable[[str], Table]] = {
    "same": Table,
    "related": _Related,
    "negated": _negated,
    "shuffled": _shuffled,
}
"""The curves of the earlier study, by name: the same ones, those of other data, and two that mislead."""


def earlier_study(name: str, kind: str, seed: int) -> Sequence[EarlierStudy]:
    """The trials of a study over a table, as a later one gets them."""
    job = job_of(KINDS[kind](name), PAIRS[_PAIR], _SEED + seed, epochs=BUDGET)
    trials = simulate(job, KINDS[kind](name), 1).trials
    return [EarlierStudy(kind, [observation(trial, "min") for trial in trials])]
