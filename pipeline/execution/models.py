"""Models of a study's trials, and states of its functions, as Python objects and files; training a trial again.

They are rebuilt from checkpoints by the study's own copy of the code; the winner's model was exported when the study
ended.
"""

import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline.code.functions import takes_state
from pipeline.code.modules import without_notes
from pipeline.datasets import Dataset, RecordedConfig, differences, fingerprint, recorded_for
from pipeline.engine.messages import Assignment, Report
from pipeline.errors import (
    DamagedFile,
    DataError,
    JobNotFound,
    ModelError,
    StorageError,
    UsageError,
    UserError,
)
from pipeline.execution.interrupts import kept_process_state
from pipeline.execution.worker.checkpoints import learner_part
from pipeline.execution.worker.worker import Worker, write_documents
from pipeline.results.tables.load import load_results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.space import Config
from pipeline.storage import Checkpoint, Store, unpack
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.storage.scratch import scratch
from pipeline.storage.tables import config_from
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.files import as_argument, check_output, read_document, recorded_data
from pipeline.study.trial_configs import seed_of_trial
from pipeline.training.data import load_data
from pipeline.training.ensemble import first_of
from pipeline.training.process import import_keras

_TRIAL = "trial.json"
_FILES = "files"


@kept_process_state()
def load_model(study: str | Path, *, trial: str | int | None = None) -> Any:
    """A trial's model: compiled, with the weights of its best epoch.

    For the best trial, loads the exported model if all custom classes are registered; otherwise rebuilds it with the
    study's code, or with the same functions of the running notebook. Models of other trials are always rebuilt.

    Args:
        study: The study's folder: a local path or a URI.
        trial: The trial's id or number; the best trial unless given.

    Returns:
        A keras.Model.

    Raises:
        JobNotFound: There is no study, no such trial, or its model no longer exists; says how to keep it.
        ModelError: The model cannot be rebuilt, or the study tunes a function.
    """
    models = _Models(Store(study))
    if trial is None and (model := models.exported()) is not None:
        return model
    return models.model(models.assignment(trial))


@kept_process_state()
def load_state(study: str | Path, *, trial: str | int | None = None, to: str | Path | None = None) -> Any:
    """The last state that a trial of a function had yielded by its best epoch, as the function would get it.

    Args:
        study: The study's folder: a local path or a URI.
        trial: The trial's id or number; the best trial unless given.
        to: A folder for the files of a state that is, or contains, a folder; created if it does not exist.

    Returns:
        The state: dicts and lists of values and NumPy arrays, or the Path of a folder within `to`.

    Raises:
        JobNotFound: There is no study, no such trial, or its checkpoint no longer exists; says how to keep it.
        ModelError: The study tunes a model, or the function has yielded no state.
        UsageError: The state contains files, and `to` is not given.
    """
    models = _Models(Store(study))
    if not models.of_function:
        raise ModelError(f"The study {models.results.name!r} tunes a model: load_model returns it.")

    def folder() -> Path:
        if to is None:
            raise UsageError("The state contains files: name a folder for them, load_state(study, to=FOLDER).")
        check_output(Path(to))
        Path(to).mkdir(parents=True, exist_ok=True)
        return Path(to)

    return models.state(models.assignment(trial), folder)


@kept_process_state()
def export(store: Store, folder: Path, *, trial: str | None = None) -> list[Path]:
    """Write the model, or the folder that a function has yielded, of the winner or another trial into a folder.

    The winner is written as the study exported it, or from its checkpoint if the study ended before that.
    """
    check_output(folder, winner_of=store.local if trial is None else None)
    models = _Models(store)
    names = [*(Path(path).name for path in layout.EXPORTED), _TRIAL, _FILES]
    if existing := [name for name in names if os.path.lexists(folder / name)]:
        raise StorageError(
            f"There is {', '.join(existing)} in {folder}. Nothing was written. Choose another folder with --to, or "
            "delete an earlier export."
        )
    try:
        if trial is None and models.results.test is not None:
            folder.mkdir(parents=True, exist_ok=True)
            exported = {folder / Path(path).name: path for path in layout.EXPORTED if store.exists(path)}
            for file, path in exported.items():
                file.write_bytes(store.read(path))
            return list(exported)
        document = Path(layout.WINNER).name if trial is None else _TRIAL
        return _export_rebuilt(models, models.assignment(trial), folder, document)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write into {folder}: {reason}. Choose another folder with --to.") from None


def _export_rebuilt(models: "_Models", assignment: Assignment, folder: Path, document: str) -> list[Path]:
    from pipeline.training.export import export as write_model

    with scratch("state") as files:
        if models.of_function:
            state = models.state(assignment, lambda: files)
            if not isinstance(state, Path):
                raise ModelError("`export` writes models and folders; load_state(study, trial=…) returns other states.")
            written = [folder / _FILES]
            shutil.copytree(state if state.is_dir() else state.parent, written[0])
        else:
            model = models.model(assignment)
            folder.mkdir(parents=True, exist_ok=True)
            write_model(model, folder)
            written = [folder / Path(path).name for path in layout.EXPORTED if (folder / Path(path).name).is_file()]
    # The test split is for the winner alone, when the study ends.
    written += write_documents(models.store, folder, document, assignment, models.job.objectives[0], {})
    return sorted(set(written))


class _Models:
    """The models of a study's trials, or the states of its functions."""

    def __init__(self, store: Store) -> None:
        self.store, self.results = store, load_results(store.uri)
        self.of_function = self.results.job["model"] is None

    @cached_property
    def job(self) -> TuneJob:
        """The study's job, its code loaded."""
        return load_study(self.store)

    def assignment(self, trial: str | int | None) -> Assignment:
        """The assignment of a trial's best epoch; of the best trial, if none is named."""
        results, metric = self.results, self.results.objective.metric
        if trial is None:
            if results.best is None:
                raise JobNotFound(f"The study {results.name!r} has no best trial: no epoch has a finite {metric}.")
            trial = results.best.trial_id
        trial = layout.trial_id(trial) if isinstance(trial, int) else trial
        row = trial_row(results, trial)
        if row["best_epoch"] is None:
            raise JobNotFound(f"Trial {trial} of {results.name!r} has no model: no epoch has a finite {metric}.")
        if not (trial.isascii() and trial.isdigit()):
            raise StorageError(f"{trial!r} in the tables of {self.store.uri} is not a trial's id: they are damaged.")
        return Assignment(
            trial,
            configs_at_best(results, [trial])[trial],
            seed_of_trial(self.job, int(trial)),
            task="finish",
            epoch=int(row["best_epoch"]),
            value=float(row["objective"]),
        )

    def exported(self) -> Any:
        """The winner's model as the study exported it; None if there is none, or Keras cannot load it here."""
        path = next(path for path in layout.EXPORTED if path.endswith(".keras"))
        if self.of_function or self.results.test is None or not self.store.exists(path):
            return None
        with without_notes():
            from pipeline.training.export import load_exported

            return load_exported(self.store.read(path))

    def state(self, assignment: Assignment, folder: Callable[[], Path]) -> Any:
        """The state of a function."""
        from pipeline.training.function import has_state, state_of

        function = self.job.function
        assert function is not None
        if takes_state(function) and has_state(state := self._checkpoint(assignment)):
            return state_of(state, folder=folder)
        raise ModelError(
            f"The study {self.results.name!r} tunes a function, and trial {assignment.trial_id} had yielded no state "
            f"by its best epoch, {assignment.epoch}: there is nothing to export. A function f(config, state) that "
            "yields (metrics, state) can be exported."
        )

    def model(self, assignment: Assignment) -> Any:
        """The model, rebuilt with the weights of the checkpoint."""
        if self.of_function:
            raise ModelError(
                f"The study {self.results.name!r} tunes a function, not a model: load_state has its state."
            )
        if self.job.folds > 1:
            raise ModelError(
                f"The study {self.results.name!r} trains a model for each fold. Only its best config is trained on the "
                "whole training split, when the study ends, and exported."
            )
        checkpoint = self._checkpoint(assignment)
        try:
            with without_notes():
                return self._rebuilt(assignment, first_of(checkpoint) if self.job.repeats > 1 else checkpoint)
        except UserError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            needs = " Files that build_model reads must still exist, unchanged." if isinstance(error, OSError) else ""
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be rebuilt: {text}.{needs}") from error

    def _rebuilt(self, assignment: Assignment, checkpoint: Checkpoint) -> Any:
        import_keras()
        from pipeline.training.build import build_untrained
        from pipeline.training.export import rebuilt
        from pipeline.training.pipelines import example_of

        config = assignment.config

        def example() -> Any:
            # For a model that learns its shapes from inputs.
            data, changes = _data_of(self.job, self.store, config)
            if changes:
                raise DataError(f"The data differ from those that the study began with: {'; '.join(changes)}.")
            assert data is not None
            return example_of(data.train)

        with scratch("trial") as folder:
            context = TrialContext(assignment.trial_id, assignment.seed, self.job.budget.epochs, folder)
            with in_trial(context):
                return rebuilt(partial(build_untrained, self.job, example), config, checkpoint, seed=assignment.seed)

    def _checkpoint(self, assignment: Assignment) -> Checkpoint:
        """The learner's part of the checkpoint of a trial's best epoch."""
        trial, path = assignment.trial_id, layout.checkpoint(assignment.trial_id, assignment.epoch)
        try:
            return learner_part(unpack(self.store.read(path), path))
        except DamagedFile as error:
            raise StorageError(f"{error} Restore it from a copy, or export another trial with --trial.") from None
        except FileNotFoundError:
            pass
        top = self.results.job["checkpoints"].get("top")
        why = f"the study keeps only what checkpoints.top={top} allows" if top else "it was deleted, or never written"
        raise JobNotFound(
            f"The checkpoint of trial {trial}'s best epoch, {path}, is not in {self.store.uri}: {why}. `tunepipe rerun "
            f"{as_argument(self.store.uri)} {trial}` trains its config again."
        )


def _data_of(job: TuneJob, store: Store, config: Config) -> tuple[Dataset | None, list[str]]:
    """The data for a config, and how they differ from those that the study has recorded."""
    before = recorded_for(recorded_data(read_document(store)), config)
    data = load_data(job, config=RecordedConfig(config))
    return data, [] if data is None or before is None else differences(before, fingerprint(data))


@dataclass(frozen=True, slots=True)
class RerunEpoch:
    """An epoch that was trained again."""

    epoch: int
    metrics: Mapping[str, float]
    recorded: Mapping[str, float]

    @property
    def differing(self) -> tuple[str, ...]:
        """Columns of the recorded metrics that are not the same to the last digit."""
        now = {name: self.metrics.get(name, math.nan) for name in self.recorded}
        return tuple(
            name
            for name, then in self.recorded.items()
            if then != now[name] and not (math.isnan(then) and math.isnan(now[name]))
        )

    @property
    def equal(self) -> bool:
        """Whether there are none."""
        return not self.differing


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
    job, results = load_study(store), load_results(store.uri)
    failed = trial_row(results, trial_id)["error"] or ""
    rows = results.table("epochs")
    rows = rows.filter(pc.equal(rows["trial_id"], trial_id)).sort_by("epoch")
    own = rows.filter(pc.equal(rows["segment"], 1))
    names = metric_columns(own.column_names)
    recorded = {
        row["epoch"]: {name: float(row[name]) for name in names if row[name] is not None} for row in own.to_pylist()
    }
    decisions = results.table("decisions")
    decisions = decisions.filter(pc.equal(decisions["trial_id"], trial_id))
    started = decisions.filter(pc.equal(decisions["kind"], "start"))["config_after"].to_pylist()
    config = dict((config_from(started[0]) if started else None) or {})
    taken_over = None if len(own) == len(rows) else len(own) + 1
    # What an error has ended, has failed in the epoch after its last one, or in the code after a loop.
    fails = "\nTraceback (most recent call last):" in failed and taken_over is None
    last = max([0, *recorded]) + fails
    data, other = _data_of(job, store, config)
    epochs: list[RerunEpoch] = []
    with scratch("rerun") as folder:
        # Where epochs are counted over all trials, a worker reports each of them.
        worker = Worker(job.replaced({"budget.total_epochs": 1}), data, Store(folder), session=1, capture=False)
        worker.begin(Assignment(trial_id, config, seed_of_trial(job, int(trial_id)), new=True))
        report = Report()
        while len(epochs) < last and not report.last and report.failure is None:
            report = worker.step()
            for row in report.rows:
                metrics = {metric_column(name): value for name, value in row["metrics"].items()}
                epochs.append(RerunEpoch(row["epoch"], metrics, recorded.get(row["epoch"], {})))
                on_epoch(epochs[-1])
        worker.close()
    return RerunResult(config, tuple(epochs), report.failure or "", failed, taken_over, other)
