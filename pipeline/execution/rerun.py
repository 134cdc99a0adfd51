"""Training a trial again in this process, and comparing its metrics with the recorded ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.code import error_text, notebook_functions
from pipeline.datasets import RecordedConfig, differences, fingerprint, recorded_for
from pipeline.errors import TunepipeError
from pipeline.execution.data import shared_caches
from pipeline.execution.interrupts import kept_process_state
from pipeline.execution.worker.failures import at_epoch, raised
from pipeline.results.tables.load import Results, configs_of, load_results
from pipeline.results.tables.trials import trial_row
from pipeline.space import Config
from pipeline.storage import Store
from pipeline.storage.schema import column_of, metric_columns
from pipeline.storage.scratch import scratch
from pipeline.storage.tables import config_from
from pipeline.study import layout, load_study
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.files import read_document, recorded_data
from pipeline.study.trial_configs import seed_of_trial
from pipeline.training.base import EpochResult, TrainingEnded
from pipeline.training.data import load_data
from pipeline.training.function import FunctionLearner
from pipeline.training.trainer_factory import TrainerFactory


@dataclass(frozen=True, slots=True)
class RerunEpoch:
    """An epoch that was trained again."""

    epoch: int
    metrics: Mapping[str, float]
    recorded: Mapping[str, float]

    @property
    def equal(self) -> bool:
        """Whether every recorded metric is the same to the last digit."""
        return not self.differing

    @property
    def differing(self) -> tuple[str, ...]:
        """Columns of the recorded metrics that are not the same to the last digit."""
        return tuple(
            name for name, value in self.recorded.items() if not _same(value, self.metrics.get(name, math.nan))
        )


@dataclass(frozen=True, slots=True)
class RerunResult:
    """A trial that was trained again, and what the study recorded of it."""

    config: Config
    epochs: tuple[RerunEpoch, ...]
    failure: str
    recorded_failure: str
    taken_over: int | None
    other_data: Sequence[str] = ()

    @property
    def equal(self) -> bool:
        """Whether every epoch is equal."""
        return all(epoch.equal for epoch in self.epochs)


@kept_process_state()
def rerun(
    study: str | Path, *, trial: str | int, on_epoch: Callable[[RerunEpoch], None] = lambda _: None
) -> RerunResult:
    """Train a trial's config again, with its seed, for as many epochs as were recorded. Nothing is written.

    Args:
        study: The study's folder: a local path or a URI.
        trial: The trial's id or number.
        on_epoch: Called with each epoch as it ends.

    Returns:
        The epochs with their recorded and new values, and the errors that ended the trial then and now.

    Raises:
        JobNotFound: There is no such study, or no such trial in it.
        UserError: The job's data or model cannot be used.
    """
    store, trial_id = Store(study), layout.trial_id(trial) if isinstance(trial, int) else trial
    job, results = load_study(store, here=notebook_functions()), load_results(store.uri)
    failed = trial_row(results, trial_id)["error"] or ""
    rows = results.table("epochs")
    rows = rows.filter(pc.equal(rows["trial_id"], trial_id)).sort_by("epoch")
    own = rows.filter(pc.equal(rows["segment"], 1))
    names = metric_columns(own.column_names)
    recorded = {
        row["epoch"]: {name: float(row[name]) for name in names if row[name] is not None} for row in own.to_pylist()
    }
    config = _first_config(results, trial_id, own)
    taken_over = None if len(own) == len(rows) else len(own) + 1
    last = max([0, *recorded])
    # A trial that failed did so in the epoch after its last, unless a number of the last one is not finite.
    wanted = last + (1 if failed and not failed.endswith(at_epoch(last)) and taken_over is None else 0)
    epochs: list[RerunEpoch] = []
    failure, other = "", list[str]()
    with ExitStack() as opened:
        folder = opened.enter_context(scratch("rerun"))
        try:
            before = recorded_for(recorded_data(read_document(store)), config)
            data = load_data(job, config=RecordedConfig(config), recorded=before)
            if data is not None and before is not None:
                other = differences(before, fingerprint(data))
            caches = shared_caches(store, None)
            opened.callback(caches.close)
            factory = TrainerFactory(job, data, caches=caches)
            seed = seed_of_trial(job, int(trial_id))
            opened.enter_context(
                in_trial(TrialContext(trial_id, seed, job.budget.epochs, folder), factory.directory(config))
            )
            learner = factory.learner(config, seed=seed)
            opened.callback(learner.close)
            # The rest of a function may write files, so it runs again only where it is what failed.
            finishes = raised(failed) and isinstance(learner, FunctionLearner)
            for epoch in range(1, min(wanted or 1, job.budget.epochs) + 1):
                if epoch > last and not finishes and isinstance(learner, FunctionLearner) and learner.unfinished:
                    break
                then = recorded.get(epoch, {})
                result = learner.run_epoch()
                epochs.append(RerunEpoch(epoch, _columns(results, result), then))
                on_epoch(epochs[-1])
                if result.last:
                    break
            if finishes and isinstance(learner, FunctionLearner) and learner.unfinished:
                learner.finish()
        except TrainingEnded:
            pass
        except TunepipeError:
            raise
        except (Exception, SystemExit) as error:
            # A function may end itself after a step, as a script does.
            if not isinstance(error, SystemExit) or error.code not in (None, 0) or not epochs:
                failure = f"{type(error).__name__}: {error}\n\n{error_text(error)}"
    return RerunResult(config, tuple(epochs), failure, failed, taken_over, other)


def _first_config(results: Results, trial_id: str, own: pa.Table) -> Config:
    """A trial's first config, from the decision to start it, or from its first epoch."""
    decisions = results.table("decisions")
    started = decisions.filter(pc.and_(pc.equal(decisions["trial_id"], trial_id), pc.equal(decisions["kind"], "start")))
    if len(started) and (config := config_from(started["config_after"][0].as_py())):
        return dict(config)
    return configs_of(own.slice(0, 1), results.space)[0] if len(own) else {}


def _columns(results: Results, result: EpochResult) -> dict[str, float]:
    """The metrics of an epoch, by column."""
    return {column_of(name, results.metric_names): float(value) for name, value in result.metrics.items()}


def _same(value: float, other: float) -> bool:
    return value == other or (math.isnan(value) and math.isnan(other))
