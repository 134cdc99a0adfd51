"""One trial of a study once more, in this process: what it records is set beside what was recorded then."""

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline import datasets
from pipeline.errors import TunepipeError
from pipeline.results.checked import config_from
from pipeline.results.load import Results, config_of, load_results
from pipeline.results.trial import trial_row
from pipeline.space import Config
from pipeline.storage import Store
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.study import load_study
from pipeline.study.drawing import seed_of_trial
from pipeline.training.base import TrainingEnded
from pipeline.training.workplace import Workplace

__all__ = ["Again", "EpochAgain", "rerun"]


@dataclass(frozen=True, slots=True)
class EpochAgain:
    """An epoch that was trained once more.

    Args:
        epoch: Which one.
        now: Metrics of this time, by column.
        then: Metrics as recorded; empty where the epoch had not been trained.
    """

    epoch: int
    now: Mapping[str, float]
    then: Mapping[str, float]

    @property
    def equal(self) -> bool:
        """Whether every metric that was recorded is the same to the last digit."""
        return all(_same(value, self.now.get(name, math.nan)) for name, value in self.then.items())


@dataclass(frozen=True, slots=True)
class Again:
    """How a trial that was trained once more compares.

    Args:
        config: Its config.
        epochs: Its epochs.
        failure: The error of the user's code that ended it, with its traceback; empty where it went well.
        then: The error by which it had failed the first time; empty where it had not.
        taken_over: From which epoch on the recorded ones began with another trial's weights, and so are not
            compared; None where all are its own.
    """

    config: Config
    epochs: tuple[EpochAgain, ...]
    failure: str
    then: str
    taken_over: int | None

    @property
    def equal(self) -> bool:
        """Whether every epoch was the same."""
        return all(epoch.equal for epoch in self.epochs)


def rerun(store: Store, trial_id: str, *, tell: Callable[[EpochAgain], None] = lambda _: None) -> Again:
    """Train a trial's config once more, with its seed, for as many epochs as were recorded. Nothing is written.

    Args:
        store: The study's folder.
        trial_id: The trial.
        tell: Is given each epoch as it ends.

    Raises:
        JobNotFound: There is no such study, or no such trial in it.
        UserError: The job's data or model cannot be used.
    """
    job, results = load_study(store), load_results(store.uri)
    row = trial_row(results, trial_id)
    rows = results.epochs[results.epochs["trial_id"] == trial_id]
    own = rows[rows["segment"] == 1]
    config = _first_config(results, trial_id, own)
    recorded = {int(record["epoch"]): _metrics(record) for record in own.to_dict("records")}
    failed = row["error"] if isinstance(row["error"], str) else ""
    # A trial that failed did so in the epoch after its last.
    wanted = max([0, *recorded]) + (1 if failed and len(own) == len(rows) else 0)
    learner = None
    epochs: list[EpochAgain] = []
    failure = ""
    try:
        place = Workplace(job, None if job.data is None else datasets.load(job.data))
        learner = place.learner(config, seed=seed_of_trial(job, int(trial_id)))
        for epoch in range(1, min(wanted or 1, job.budget.epochs) + 1):
            result = learner.run_epoch()
            now = {metric_column(name): float(value) for name, value in result.metrics.items()}
            epochs.append(EpochAgain(epoch, now, recorded.get(epoch, {})))
            tell(epochs[-1])
            if result.last:
                break
    except TrainingEnded:
        pass
    except TunepipeError:
        raise
    except Exception as error:
        failure = f"{type(error).__name__}: {error}\n\n{''.join(traceback.format_exception(error))}"
    finally:
        if learner is not None:
            learner.close()
    return Again(config, tuple(epochs), failure, failed, None if len(own) == len(rows) else len(own) + 1)


def _first_config(results: Results, trial_id: str, own: pd.DataFrame) -> Config:
    """The config a trial began with: as the decision to start it has it, or its first epoch."""
    decided = results.decisions[results.decisions["trial_id"].eq(trial_id) & results.decisions["kind"].eq("start")]
    if len(decided) and (config := config_from(decided["config_after"].iloc[0])):
        return dict(config)
    return config_of(own.iloc[0], results.space) if len(own) else {}


def _metrics(record: Mapping[Any, Any]) -> dict[str, float]:
    """The metrics in a row of `epochs`; one that no epoch of the trial has is not among them."""
    return {name: float(record[name]) for name in metric_columns(map(str, record)) if record[name] is not None}


def _same(then: float, now: float) -> bool:
    return then == now or (math.isnan(then) and math.isnan(now))
