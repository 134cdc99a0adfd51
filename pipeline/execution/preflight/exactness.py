"""Whether a killed trial resumes exactly: trains its first epochs again and compares them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.datasets import Dataset
from pipeline.engine.messages import Assignment, EpochRow
from pipeline.execution.driver.resumability import unsaved_state
from pipeline.execution.driver.start_notes import inexact_data
from pipeline.execution.preflight.data_findings import SEEDED_DRAWS
from pipeline.execution.preflight.finding import Finding, TrainingFacts
from pipeline.execution.preflight.isolation import isolated
from pipeline.execution.worker.worker import Worker
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.sources import Sources
from pipeline.wording import counted, rough_duration


def inexact_reason(
    worker: Worker,
    job: TuneJob,
    trial: Assignment,
    store: Store,
    seen: Sequence[EpochRow],
    data: Dataset | None = None,
) -> str | None:
    """Why a resumed trial may differ, as far as that is known or shows."""
    hidden = (
        "keeps state outside of Keras' variables" if job.model is not None else "keeps state that it does not yield"
    )
    with isolated(job, trial, store, worker.directory):
        learner: Any = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        known: str | None = inexact_data(job, data) or learner.inexact
        if known is not None or not seen:
            return known
        try:
            metrics = learner.run_epoch().metrics
            if (shown := learner.inexact) is not None:
                return str(shown)
            if other := _difference(job, seen[0].metrics, metrics):
                return f"trained again from the same seed, {other}"
            if len(seen) > 1:
                state = learner.save()
                learner.close()
                learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
                learner.load(state)
                if other := _difference(job, seen[1].metrics, learner.run_epoch().metrics):
                    return f"resumed from its checkpoint, {other}; it {hidden}"
        except Exception as error:
            return f"it fails when it is trained a second time: {type(error).__name__}: {error}"
        finally:
            learner.close()
        return None


def function_exactness(
    worker: Worker, job: TuneJob, trial: Assignment, store: Store, seen: Sequence[EpochRow]
) -> tuple[str | None, bool]:
    """Why a resumed trial of a function may differ, and whether it is replayed from its first step."""
    with isolated(job, trial, store, worker.directory):
        learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        metric, value = job.objective.metric, learner.run_epoch().metrics.get(job.objective.metric)
        replays = worker.trainer_factory.replays(learner.save())
        learner.close()
    if not replays:
        return inexact_reason(worker, job, trial, store, seen), False
    # Each run has its own folder: a trial that starts again finds no files of an earlier attempt.
    with isolated(job, trial, store, worker.directory):
        learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        other = learner.run_epoch().metrics.get(metric)
        learner.close()
    if value == other:
        return None, True
    return f"the function returns a different {metric} for the same config at each call, {value} and {other}", True


def exactness_finding(
    job: TuneJob, trained: TrainingFacts, sources: Sources | None = None, unsteady: Sequence[str] = ()
) -> Finding:
    """Whether a trial that was killed resumes exactly."""
    if (why := unsaved_state(job)) is not None:
        advice = (
            "An interrupted study cannot continue. Use tunepipe's own schedulers and searchers to be able to resume."
        )
        return Finding("resume", "warning", f"The study cannot be resumed: {why}", advice)
    if unsteady:
        text = (
            "A resume requires the data that the study began with, but the data function returns different data at "
            f"each call: {'; '.join(unsteady)}"
        )
        return Finding("resume", "warning", text, f"{SEEDED_DRAWS} --accept-changes resumes with changed data.")
    if trained.inexact is not None:
        advice = "The study can still be resumed; epochs that are trained twice may differ."
        return Finding("resume", "warning", f"A killed trial may differ after it is resumed: {trained.inexact}", advice)
    how = "resumes exactly from its checkpoint"
    if trained.replays:
        steps, seconds = job.budget.epochs, job.budget.epochs * trained.seconds_epoch
        how = f"is replayed from its first step, which takes up to {rough_duration(seconds)} ({counted(steps, 'step')})"
    if sources is not None and sources.uncopied:
        text = f"a killed trial {how}, if these files, which the study does not copy, are still there: "
        return Finding("resume", "warning", text + "; ".join(sources.uncopied))
    if sources is not None and sources.hidden:
        text = f"a killed trial {how}; imports whose names are known only at run time are copied during the study: "
        return Finding("resume", "ok", text + "; ".join(sources.hidden))
    return Finding("resume", "ok", f"a killed trial {how}")


def _difference(job: TuneJob, before: Mapping[str, float], now: Mapping[str, float]) -> str | None:
    """Which metric differs, the objective before others, in words; None if all are equal."""
    names = sorted({*before, *now}, key=lambda name: (name != job.objective.metric, name))
    for name in names:
        value, other = before.get(name), now.get(name)
        if value != other and not (value is not None and other is not None and np.isnan(value) and np.isnan(other)):
            return f"its {name} is {other}, not {value}"
    return None
