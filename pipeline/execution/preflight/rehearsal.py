"""The first epochs of a study: loads the data, trains as a worker does, builds other configs."""

import time
import traceback
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from pipeline import datasets
from pipeline.course.messages import Assignment, EpochRow, Report
from pipeline.datasets import Dataset, leaves
from pipeline.errors import ResourcesUnmet, UserError
from pipeline.execution.exchange import exchanges, misfits
from pipeline.execution.preflight.configs import corners
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Ready, Trained, Unbuilt
from pipeline.execution.preflight.judging import finite
from pipeline.execution.preflight.process import Tell
from pipeline.execution.recorder import Recorder
from pipeline.execution.session import Session
from pipeline.execution.travel import unpack
from pipeline.execution.worker import Worker
from pipeline.storage import Store
from pipeline.study import TuneJob

__all__ = ["PACKED", "data_facts", "drawn", "main"]

PACKED = "job.pickle"
"""Where a job lies whose sources cannot be copied."""

_DRAWN = 64
_QUICK_SECONDS = 10.0
"""An epoch that takes less is trained a second time: the first one warms up."""


def main(tell: Tell, *, folder: str, folders: list[str]) -> None:
    """Rehearse the study of a folder.

    Args:
        tell: Told each fact as soon as it is known.
        folder: Where the job lies, as `tunepipe run` would save it; what is trained is written there too.
        folders: Where the job's files import from.
    """
    store, packed = Store(folder), Path(folder, PACKED)
    job = unpack(packed.read_bytes() if packed.is_file() else None, folders, store)
    data = None
    if job.data is not None:
        try:
            data = datasets.load(job.data)
        except UserError as error:
            cause = error.__cause__
            tell(Failed(str(error), "".join(traceback.format_exception(cause)) if cause else ""))
            return
        tell(data_facts(data))
    trials = drawn(job, store, _DRAWN)
    try:
        # Where epochs are counted over all trials, a worker reports each of them.
        each = job.replaced({"budget.total_epochs": 1})
        worker = Worker(each, data, store, session=1, capture=False, compare=False)
    except ResourcesUnmet as error:
        tell(Failed(str(error)))
        return
    tell(Ready(_age()))
    for trial in trials[: job.budget.max_failed_trials]:
        trained = _trained(worker, job, data, trial, store)
        tell(trained)
        # Numbers that are not finite may be this config's own fault; whatever else fails, fails with all of them.
        if finite(job, trained):
            break
    if job.model is not None:
        tell(_built(worker, job, trials))
    if exchanges(job):
        tell(Exchanged(misfits(worker.workplace, trials[0])))


def drawn(job: TuneJob, store: Store, most: int) -> list[Assignment]:
    """The first trials of a study as its driver would hand them out, were there as many workers."""
    session = Session(job, store, Recorder(store, job, session=1))
    return [trial for trial in islice(iter(session.next, None), most) if trial is not None]


def data_facts(data: Dataset) -> DataFacts:
    """What there is to know of a data set before a model sees it."""
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    strange = {
        f"{part} of {name}": bad
        for name, split in splits.items()
        if split is not None
        for part, arrays in (("inputs", split.x), ("targets", split.y), ("weights", split.weight))
        if (bad := sum(int(np.count_nonzero(~np.isfinite(array))) for array in leaves(arrays)))
    }
    return DataFacts(
        name=data.name,
        rows={name: split.rows for name, split in splits.items() if split is not None},
        inputs=_shapes(data.train.x),
        targets=_shapes(data.train.y),
        classes=len(data.classes),
        bytes=data.bytes,
        strange=strange,
        unseen=_unseen(data.train.y, data.validation.y),
    )


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
    if not _ended(report) and report.epoch < job.budget.epochs and _seconds(report.rows[-1]) < _QUICK_SECONDS:
        report = worker.step()
    held = int(psutil.Process().memory_info().rss)
    worker.close()
    told, _, trace = (report.failure or report.unusable or report.stuck or "").partition("\n\nTraceback")
    rows = report.rows or first.rows
    facts: dict[str, Any] = {}
    if rows:
        facts = {
            "metrics": dict(rows[-1].metrics),
            "seconds_build": first.rows[0].seconds_build if first.rows else 0.0,
            "seconds_epoch": _seconds(rows[-1]),
        }
    quick = not (report.failure or report.stuck) and bool(rows) and _seconds(rows[-1]) < _QUICK_SECONDS
    inexact = _inexact(worker, job, trial) if quick or (rows and job.model is not None) else None
    return Trained(
        trial_id=trial.trial_id,
        config=trial.config,
        bytes_checkpoint=max((size for _, size in store.sizes("checkpoints")), default=0),
        bytes_memory=held,
        told=told or None,
        trace=trace and f"Traceback{trace}",
        mismatch=_mismatch(worker, data, trial) if data is not None and job.model is not None else None,
        inexact=inexact,
        notes=[note for note in worker.workplace.told if inexact is None or inexact not in note],
        **{"metrics": {}, **facts},
    )


def _ended(report: Report) -> bool:
    return report.last or bool(report.failure or report.unusable or report.stuck)


def _seconds(row: EpochRow) -> float:
    return row.seconds_train + row.seconds_evaluate + row.seconds_checkpoint


def _mismatch(worker: Worker, data: Dataset, trial: Assignment) -> str | None:
    from pipeline.training.labels import mismatch

    try:
        return mismatch(worker.workplace.build(trial.config, seed=trial.seed), data)
    except Exception:
        # A model that cannot be built or called is told by the epoch that failed.
        return None


def _inexact(worker: Worker, job: TuneJob, trial: Assignment) -> str | None:
    """Why going on after a kill may differ. A function is replayed, which must give the same."""
    learners: list[Any] = [worker.workplace.learner(trial.config, seed=trial.seed) for _ in range(2)]
    if job.function is None:
        inexact: str | None = learners[0].inexact
        return inexact
    values = [learner.run_epoch().metrics.get(job.objective.metric) for learner in learners]
    if values[0] == values[1]:
        return None
    return (
        f"the function gives another {job.objective.metric} for the same config each time, {values[0]} and {values[1]}"
    )


def _built(worker: Worker, job: TuneJob, trials: list[Assignment]) -> Built:
    from pipeline.training.build import build_callbacks

    built, failures = [], []
    for trial in corners(trials):
        try:
            worker.workplace.build(trial.config, seed=trial.seed)
            build_callbacks(job, trial.config, seed=trial.seed)
        except (Exception, SystemExit) as error:
            trace = "" if isinstance(error, UserError) else "".join(traceback.format_exception(error))
            told = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            failures.append(Unbuilt(trial.trial_id, trial.config, told, trace))
        else:
            built.append(trial.config)
    return Built(built, failures)
