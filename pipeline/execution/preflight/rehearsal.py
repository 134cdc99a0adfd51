"""The first epochs of a study: loads the data, trains as a worker does, builds other configs."""

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import psutil

from pipeline.datasets import Dataset, leaves
from pipeline.datasets.configured import takes_config
from pipeline.datasets.fingerprint import differences, fingerprint, pipeline_text, recorded_for
from pipeline.errors import ResourcesUnmet, UserError
from pipeline.execution.driver.recorder import Recorder
from pipeline.execution.driver.session import Session
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Trained, Unbuilt, WorkerStarted
from pipeline.execution.preflight.process import Publish
from pipeline.execution.preflight.rules import finite
from pipeline.execution.ray.job_transport import unpack
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.worker.representative_configs import representative
from pipeline.execution.worker.weight_compatibility import exchanges_weights, mismatches
from pipeline.execution.worker.worker import Worker
from pipeline.loop.messages import Assignment, EpochRow, ProgressReport
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.signature import takes_state
from pipeline.training.data import example_config, load_data, without_validation

__all__ = ["PACKED", "data_facts", "drawn", "inexact_reason", "main"]

PACKED = "job.pickle"
"""The file of a job whose sources cannot be copied."""

_DRAWN = 64
_QUICK_SECONDS = 10.0
"""An epoch that takes less is trained a second time: the first one warms up."""

_QUICK_FIRST_STEP = 40.0
"""As the seconds above, for a function, whose first step may import a library."""


def main(publish: Publish, *, folder: str, folders: list[str], data_before: Mapping[str, Any] | None = None) -> None:
    """Rehearse the study of a folder.

    Args:
        publish: Called with each fact as soon as it is known.
        folder: The folder of the job, saved as by `tunepipe run`; what is trained is written there, too.
        folders: The folders from which the job's files import.
        data_before: The fingerprint of the data with which the study to resume began; None to compare with none.
    """
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
            publish(Failed(str(error), "".join(traceback.format_exception(cause)) if cause else ""))
            return
        publish(facts)
    trials = drawn(job, store, _DRAWN)
    try:
        # Where epochs are counted over all trials, a worker reports each of them.
        each = job.replaced({"budget.total_epochs": 1})
        worker = Worker(each, data, store, session=1, capture=False, compare=False)
    except ResourcesUnmet as error:
        publish(Failed(str(error)))
        return
    publish(WorkerStarted(_age()))
    for trial in trials[: job.budget.max_failed_trials]:
        trained = _trained(worker, job, data, trial, store)
        publish(trained)
        # Only this config may give numbers that are not finite; any other failure affects all configs.
        if finite(job, trained):
            break
    if job.model is not None:
        publish(_built(worker, job, trials, store))
    if exchanges_weights(job):
        with _apart(job, trials[0], store):
            publish(Exchanged(mismatches(worker.trainer_factory, trials[0])))


def drawn(job: TuneJob, store: Store, most: int) -> list[Assignment]:
    """The first trials of a study, as its driver would assign them to as many workers.

    Args:
        job: The study's job.
        store: A folder for the study.
        most: How many trials at most.
    """
    recorder = Recorder(store, job, session=1)
    session = Session(job, store, recorder, build_scheduler=ray_scheduler(job), draw=ray_draw(job))
    return [trial for trial in islice(iter(session.next, None), most) if trial is not None]


def data_facts(data: Dataset, before: Mapping[str, Any] | None = None) -> DataFacts:
    """The facts about a data set before a model sees it.

    Args:
        data: The data set.
        before: The fingerprint of the data with which the study began; None to compare with none.
    """
    now = fingerprint(data)
    strange = {
        f"{part} of {name}": bad
        for name, split in data.arrays.items()
        for part, arrays in (("inputs", split.x), ("targets", split.y), ("weights", split.weight))
        if (bad := sum(_not_finite(array) for array in leaves(arrays)))
    }
    train, validation = data.arrays.get("train"), data.arrays.get("validation")
    return DataFacts(
        name=data.name,
        rows={name: split.rows for name, split in data.arrays.items()},
        pipelines={name: pipeline_text(entry) for name, entry in now.items() if "pipeline" in entry},
        inputs=_shapes(train.x) if train is not None else "",
        targets=_shapes(train.y) if train is not None else "",
        classes=len(data.classes),
        bytes=data.bytes,
        strange=strange,
        unseen=_unseen(train.y, validation.y) if train is not None and validation is not None else [],
        fingerprint=now,
        changed=[] if before is None else differences(before, now),
    )


def _not_finite(array: np.ndarray) -> int:
    return int(np.count_nonzero(~np.isfinite(array))) if array.dtype.kind == "f" else 0


def _shapes(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return ", ".join(f"{name} {_shapes(part)}" for name, part in tree.items())
    return ", ".join(f"{'×'.join(map(str, array.shape[1:])) or '1'} {array.dtype}" for array in leaves(tree))


def _unseen(train: Any, validation: Any) -> list[int]:
    one_hot = all(isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] > 1 for y in (train, validation))
    if not one_hot or train.shape[1] != validation.shape[1]:
        return []
    return [int(column) for column in np.flatnonzero(validation.any(axis=0) & ~train.any(axis=0))]


def _age() -> float:
    return time.time() - float(psutil.Process().create_time())


def _trained(worker: Worker, job: TuneJob, data: Dataset | None, trial: Assignment, store: Store) -> Trained:
    worker.begin(trial)
    first = report = worker.step()
    limit = _QUICK_SECONDS if job.model is not None else _QUICK_FIRST_STEP
    if not _ended(report) and report.epoch < job.budget.epochs and _seconds(report.rows[-1]) < limit:
        report = worker.step()
    held = int(psutil.Process().memory_info().rss)
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
        inexact = inexact_reason(worker, job, trial, store, seen if quick else [])
    elif quick:
        inexact, replays = _inexact_function(worker, job, trial, store, seen)
    return Trained(
        trial_id=trial.trial_id,
        config=trial.config,
        bytes_checkpoint=max((size for _, size in store.sizes("checkpoints")), default=0),
        bytes_memory=held,
        message=message or None,
        trace=trace and f"Traceback{trace}",
        mismatch=_mismatch(worker, data, trial, store) if data is not None and job.model is not None else None,
        inexact=inexact,
        replays=replays,
        without_validation=without_validation(job, data),
        notes=[note for note in worker.trainer_factory.notes if inexact is None or inexact not in note],
        **{"metrics": {}, **facts},
    )


@contextmanager
def _apart(job: TuneJob, trial: Assignment, store: Store) -> Iterator[None]:
    """Run the user's code for a trial outside of its training, in a temporary folder."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(dir=store.local)))
        opened.enter_context(in_trial(TrialContext(trial.trial_id, trial.seed, job.budget.epochs, folder)))
        yield


def _ended(report: ProgressReport) -> bool:
    return report.last or bool(report.failure or report.unusable or report.stuck)


def _seconds(row: EpochRow) -> float:
    return row.seconds_train + row.seconds_evaluate + row.seconds_checkpoint


def _mismatch(worker: Worker, data: Dataset, trial: Assignment, store: Store) -> str | None:
    from pipeline.training.labels import mismatch

    try:
        with _apart(worker.trainer_factory.job, trial, store):
            factory = worker.trainer_factory
            model = factory.build(trial.config, seed=trial.seed)
            own = factory.dataset(trial.config) if takes_config(factory.job.data) else data
            return mismatch(model, own or data)
    except Exception:
        # The epoch that failed reports a model that cannot be built or called.
        return None


def inexact_reason(
    worker: Worker, job: TuneJob, trial: Assignment, store: Store, seen: Sequence[EpochRow]
) -> str | None:
    """Why a resumed trial may differ, as far as that is known or shows.

    Args:
        worker: Has trained the trial.
        job: The study's job.
        trial: The trial.
        store: The study's folder.
        seen: Its first epochs, at most two: they are trained again, the second from a checkpoint.
    """
    hidden = (
        "keeps state outside of Keras' variables" if job.model is not None else "keeps state that it does not yield"
    )
    with _apart(job, trial, store):
        learner: Any = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        known: str | None = learner.inexact
        if known is not None or not seen:
            return known
        try:
            if other := _other(job, seen[0].metrics, learner.run_epoch().metrics):
                return f"trained again from the same seed, {other}"
            if len(seen) > 1:
                state = learner.save()
                learner.close()
                learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
                learner.load(state)
                if other := _other(job, seen[1].metrics, learner.run_epoch().metrics):
                    return f"resumed from its checkpoint, {other}; it {hidden}"
        except Exception as error:
            return f"trained a second time it fails: {type(error).__name__}: {error}"
        finally:
            learner.close()
        return None


def _inexact_function(
    worker: Worker, job: TuneJob, trial: Assignment, store: Store, seen: Sequence[EpochRow]
) -> tuple[str | None, bool]:
    """Why a resumed trial of a function may differ, and whether it is replayed from its first step.

    Args:
        worker: Has trained the trial.
        job: The study's job.
        trial: The trial.
        store: The study's folder.
        seen: As for `inexact_reason`.
    """
    with _apart(job, trial, store):
        learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        metric, value = job.objective.metric, learner.run_epoch().metrics.get(job.objective.metric)
        replays = worker.trainer_factory.replays(learner.save())
        learner.close()
    if not replays:
        return inexact_reason(worker, job, trial, store, seen), False
    # Each run has its own folder: a trial that starts again finds no files of an earlier attempt.
    with _apart(job, trial, store):
        learner = worker.trainer_factory.learner(trial.config, seed=trial.seed)
        other = learner.run_epoch().metrics.get(metric)
        learner.close()
    if value == other:
        return None, True
    return f"the function gives another {metric} for the same config each time, {value} and {other}", True


def _other(job: TuneJob, before: Mapping[str, float], now: Mapping[str, float]) -> str | None:
    """Which metric differs, the objective before others, in words; None where all are equal."""
    names = sorted({*before, *now}, key=lambda name: (name != job.objective.metric, name))
    for name in names:
        value, other = before.get(name), now.get(name)
        if value != other and not (value is not None and other is not None and np.isnan(value) and np.isnan(other)):
            return f"its {name} is {other}, not {value}"
    return None


def _built(worker: Worker, job: TuneJob, trials: list[Assignment], store: Store) -> Built:
    from pipeline.training.build import build_callbacks
    from pipeline.training.fit_arguments import fit_arguments

    built, failures = [], []
    for trial in representative(trials):
        try:
            with _apart(job, trial, store):
                worker.trainer_factory.build(trial.config, seed=trial.seed, phases=len(job.phases))
                build_callbacks(job, trial.config, seed=trial.seed)
                fit_arguments(job, trial.config)
        except (Exception, SystemExit) as error:
            trace = "" if isinstance(error, UserError) else "".join(traceback.format_exception(error))
            message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            failures.append(Unbuilt(trial.trial_id, trial.config, message, trace))
        else:
            built.append(trial.config)
    return Built(built, failures)
