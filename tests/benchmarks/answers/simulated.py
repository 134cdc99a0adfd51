"""Studies simulated over the tables: what they have found after so much compute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.schedulers import (
    ASHA,
    Hyperband,
    MedianStopping,
    PromotingASHA,
    SchedulerSettings,
    SuccessiveHalving,
)
from pipeline.searchers import SEARCHERS, EarlierStudy
from pipeline.simulation.simulator import simulate
from pipeline.study import Budget, Objective, TuneJob
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table

BUDGET = 10 * EPOCHS
"""Ten full trainings' worth of epochs: what the reference has."""

SIMULATED = int(1.25 * BUDGET)
"""The epochs that are simulated: enough to see a study that needs more than the reference."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A scheduler and a searcher of this project's."""

    scheduler: SchedulerSettings
    searcher: str

    def regrets(self, table: Table, seed: int, workers: int, earlier: Sequence[EarlierStudy] = ()) -> np.ndarray:
        """The regret after each epoch of compute, from 1 to SIMULATED."""
        found = np.full(SIMULATED, np.nan)
        job = job_of(table, self, seed, epochs=SIMULATED)
        for seconds, value in simulate(job, table, workers, earlier=earlier).best_curve:
            # All workers are busy all the time, and an epoch takes one second.
            found[min(max(int(seconds * workers) - 1, 0), SIMULATED - 1) :] = table.regret(value)
        return found


def job_of(table: Table, pair: Pair, seed: int, *, epochs: int) -> TuneJob:
    """The job of a study over a table."""
    return TuneJob(
        name="answers",
        function=_recorded,
        space=dict(table.study.space),
        objectives=[Objective("loss", "min")],
        scheduler=pair.scheduler,
        searcher=SEARCHERS[pair.searcher](),
        budget=Budget(trials=2000, epochs=EPOCHS, total_epochs=epochs),
        seed=seed,
    )


def _recorded(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Stands for what is trained: the tables know."""
    raise AssertionError("nothing is trained")


_RUNGS: dict[str, Any] = {"grace_period": max(1, round(0.06 * EPOCHS)), "reduction_factor": 3.5}
"""At about 6 and 23% of a trial's epochs."""


REFERENCE = "asha+random"

_SCHEDULERS: dict[str, SchedulerSettings] = {
    "asha": ASHA(),
    "promoting": PromotingASHA(**_RUNGS),
    "halving": SuccessiveHalving(),
    "hyperband": Hyperband(),
    "median": MedianStopping(),
}

PAIRS: dict[str, Pair] = {
    f"{scheduler}+{searcher}": Pair(settings, searcher)
    for scheduler, settings in _SCHEDULERS.items()
    for searcher in ("random", "curves", "tpe", "gp", "cma")
}
"""What is simulated, by name."""
