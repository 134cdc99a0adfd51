"""The first epochs of a study: loads the data, trains as a worker does, builds other configs."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import psutil

from pipeline.datasets import Dataset, differences, fingerprint, recorded_for, takes_config
from pipeline.engine.messages import Assignment, EpochRow, ProgressReport
from pipeline.errors import ResourcesUnmet, UserError
from pipeline.execution.driver.recorder import Recorder
from pipeline.execution.driver.session import Session
from pipeline.execution.preflight.data_findings import data_facts
from pipeline.execution.preflight.exactness import function_exactness, inexact_reason
from pipeline.execution.preflight.fact_process import Publish
from pipeline.execution.preflight.finding import (
    BuildFailure,
    Failure,
    ModelFacts,
    TrainingFacts,
    WeightFacts,
    WorkerStart,
)
from pipeline.execution.preflight.isolation import isolated
from pipeline.execution.preflight.training_findings import finite
from pipeline.execution.ray.job_transport import unpack
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.worker.failures import advice, headline
from pipeline.execution.worker.representative_configs import CANDIDATES, representative_trials
from pipeline.execution.worker.weight_compatibility import copies_weights, mismatches
from pipeline.execution.worker.worker import Worker
from pipeline.machine import process_memory
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.signature import takes_state
from pipeline.training.data import example_config, load_data, without_validation

PACKED = "job.pickle"
"""The file of a job whose sources cannot be copied."""

_QUICK_SECONDS = 10.0
"""An epoch that takes less is trained a second time: the first one warms up."""

_QUICK_FIRST_STEP = 40.0
"""As the seconds above, for a function, whose first step may import a library."""


def main(publish: Publish, *, folder: str, folders: list[str], data_before: Mapping[str, Any] | None = None) -> None:
    """Rehearse the study of a folder."""
    store, packed = Store(folder), Path(folder, PACKED)
    job = unpack(packed.read_bytes() if packed.is_file() else None, folders, store)
    data = None
    if job.data is not None:
        started = time.monotonic()
        try:
            data = load_data(job, recorded=data_before)
            facts = data_facts(cast("Dataset", data), recorded_for(data_before, example_config(job)))
            if callable(job.data) and time.monotonic() - started < _QUICK_SECONDS:
                again = differences(facts.fingerprint, fingerprint(cast("Dataset", load_data(job))))
                facts = replace(facts, unsteady=again)
        except UserError as error:
            cause = error.__cause__
            publish(Failure(str(error), "".join(traceback.format_exception(cause)) if cause else ""))
            return
        publish(facts)
    trials = drawn(job, store, CANDIDATES)
    try:
        # Where epochs are counted over all trials, a worker reports each of them.
        each = job.replaced({"budget.total_epochs": 1})
        worker = Worker(each, data, store, session=1, capture=False, compare=False)
    except ResourcesUnmet as error:
        publish(Failure(str(error)))
        return
    publish(WorkerStart(_process_seconds()))
    for trial in trials[: job.budget.max_failed_trials]:
        trained = _trained(worker, job, data, trial, store)
        if trial is trials[0] and job.model is not None and trained.message is None:
            trained = replace(trained, notes=[*trained.notes, *_overridden(worker, job, trials, store)])
        publish(trained)
        # Only this config may give numbers that are not finite; any other failure affects all configs.
        if finite(job, trained):
            break
    if job.model is not None:
        publish(_built(worker, job, trials, store))
    if copies_weights(job):
        with isolated(job, trials[0], store, worker.directory):
            publish(WeightFacts(mismatches(worker.trainer_factory, trials[0])))


def drawn(job: TuneJob, store: Store, most: int) -> list[Assignment]:
    """The first trials of a study, as its driver would assign them to as many workers."""
    recorder = Recorder(store, job, session=1)
    session = Session(job, store, recorder, build_scheduler=ray_scheduler(job), draw=ray_draw(job))
    return [trial for trial in islice(iter(session.next, None), most) if trial is not None]


def _process_seconds() -> float:
    """Seconds since this process started."""
    return time.time() - float(psutil.Process().create_time())


def _reported(worker: Worker) -> ProgressReport:
    """The worker's next report of epochs, or of the end of its trial."""
    report = worker.step()
    return worker.step() if report.finishing else report


def _trained(worker: Worker, job: TuneJob, data: Dataset | None, trial: Assignment, store: Store) -> TrainingFacts:
    worker.begin(trial)
    first = report = _reported(worker)
    limit = _QUICK_SECONDS if job.model is not None else _QUICK_FIRST_STEP
    if not _ended(report) and report.epoch < job.budget.epochs and _seconds(report.rows[-1]) < limit:
        report = _reported(worker)
    held = process_memory()
    worker.close()
    message, _, trace = (report.failure or report.unusable or report.stuck or "").partition("\n\nTraceback")
    rows = report.rows or first.rows
    facts: dict[str, Any] = {}
    if rows:
        facts = {
            "metrics": dict(rows[-1].metrics),
            "seconds_build": first.rows[0].seconds_build if first.rows else 0.0,
            "seconds_epoch": _seconds(rows[-1]),
        }
    quick = not (report.failure or report.stuck) and bool(rows) and _seconds(rows[-1]) < _QUICK_SECONDS
    seen = [*first.rows[:1], *(report.rows[-1:] if report is not first else ())]
    inexact, replays = None, job.function is not None and not takes_state(job.function)
    if job.model is not None and rows:
        inexact = inexact_reason(worker, job, trial, store, seen if quick else [], data)
    elif quick:
        inexact, replays = function_exactness(worker, job, trial, store, seen)
    mismatched = _mismatch(worker, data, trial, store) if data is not None and job.model is not None else (None, "")
    return TrainingFacts(
        trial_id=trial.trial_id,
        config=trial.config,
        bytes_checkpoint=max((size for _, size in store.sizes("checkpoints")), default=0),
        bytes_memory=held,
        message=message or None,
        trace=trace and f"Traceback{trace}",
        mismatch=mismatched[0],
        remedy=mismatched[1],
        inexact=inexact,
        replays=replays,
        without_validation=without_validation(job, data),
        notes=list(worker.trainer_factory.notes.texts),
        **{"metrics": {}, **facts},
    )


def _overridden(worker: Worker, job: TuneJob, trials: list[Assignment], store: Store) -> list[str]:
    """A note on a hyperparameter without effect on the learning rate; none unless that is certain."""
    from pipeline.training.overridden_rate import overridden_rate

    configs = [trial.config for trial in trials]
    try:
        with isolated(job, trials[0], store, worker.directory):
            note = overridden_rate(job, configs, seed=trials[0].seed)
    except Exception:
        # The configs that are built show an error of the callbacks.
        return []
    return [] if note is None else [note]


def _ended(report: ProgressReport) -> bool:
    return report.last or bool(report.failure or report.unusable or report.stuck)


def _seconds(row: EpochRow) -> float:
    return row.seconds_train + row.seconds_evaluate + row.seconds_checkpoint


def _mismatch(worker: Worker, data: Dataset, trial: Assignment, store: Store) -> tuple[str | None, str]:
    """How targets and outputs do not fit, None if they do; and what to do about it."""
    from pipeline.training.labels import mismatch

    try:
        with isolated(worker.trainer_factory.job, trial, store, worker.directory):
            factory = worker.trainer_factory
            model = factory.build(trial.config, seed=trial.seed)
            own = factory.dataset(trial.config) if takes_config(factory.job.data) else data
            return mismatch(model, own or data) or (None, "")
    except Exception:
        # The epoch that failed reports a model that cannot be built or called.
        return None, ""


def _built(worker: Worker, job: TuneJob, trials: list[Assignment], store: Store) -> ModelFacts:
    from pipeline.training.build import build_callbacks
    from pipeline.training.fit_arguments import fit_arguments

    built, failures = [], []
    for trial in representative_trials(trials):
        try:
            with isolated(job, trial, store, worker.directory):
                worker.trainer_factory.build(trial.config, seed=trial.seed, phases=len(job.phases))
                build_callbacks(job, trial.config, seed=trial.seed)
                fit_arguments(job, trial.config)
        except (Exception, SystemExit) as error:
            trace = "" if isinstance(error, UserError) else "".join(traceback.format_exception(error))
            message = str(error) if isinstance(error, UserError) else _headline(error, worker, job, trial)
            failures.append(BuildFailure(trial.trial_id, trial.config, message, trace))
        else:
            built.append(trial.config)
    return ModelFacts(built, failures)


def _headline(error: BaseException, worker: Worker, job: TuneJob, trial: Assignment) -> str:
    """The error as the trial would keep it, in one line."""
    shared = worker.trainer_factory.notes.shared
    return headline(error, advice(error, trial.config, job.space, started_in=Path.cwd(), shared=shared))
