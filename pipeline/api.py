"""Studies as a program uses them: run one, check it first, and load the models and states that it has trained.

Models are rebuilt from checkpoints by the study's own copy of the code; the winner's was exported when the study ended.
"""

import os
from collections.abc import Callable
from contextlib import closing
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.code.functions import takes_state
from pipeline.code.modules import end_loading, without_notes
from pipeline.datasets import RecordedConfig
from pipeline.engine.messages import EXPORT, Assignment
from pipeline.errors import DamagedFile, JobNotFound, ModelError, StorageError, UsageError, UserError
from pipeline.execution.interrupts import kept_process_state, study_process
from pipeline.execution.worker.checkpoints import learner_part
from pipeline.results.tables.load import Results, load_results
from pipeline.results.tables.trials import configs_at_best, trial_row, warm_started
from pipeline.storage import Checkpoint, Store, layout, unpack
from pipeline.storage.files import write_local
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, load_study
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.files import as_argument, check_output, default_storage
from pipeline.study.trial_configs import seed_of_trial
from pipeline.text import notes_to
from pipeline.training.data import load_data
from pipeline.training.ensemble import first_model
from pipeline.training.process import import_keras

if TYPE_CHECKING:
    from pipeline.execution.check import CheckResult
    from pipeline.execution.progress import Progress


def run(
    job: TuneJob,
    *,
    storage: str | Path | None = None,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    workers: int | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    take_over: bool = False,
    address: str | None = None,
    display: "Progress | None" = None,
    note: Callable[[str], None] = print,
) -> Results:
    """Run a study to its end.

    Args:
        job: The job.
        storage: The folder of studies, or a URI that every node reaches. Unless given: TUNEPIPE_STORAGE, or `studies`
            in the current folder.
        name: The study's name; the job's name unless given.
        trials: Number of trials; the job's unless given.
        epochs: The maximum number of epochs of a trial; the job's unless given.
        workers: Number of parallel workers, 0 for this process; the job's unless given.
        resume: Whether to resume the study of that name, if there is one; one that has ended stays as it is unless its
            budget changes. Budget, resources and checkpoints are the job's.
        accept_changes: Whether to resume although code, data or domains of the job have changed.
        take_over: Whether to resume although the driver of the last session may still be alive, which then ends without
            writing anything more.
        address: Address of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs; default: a progress line every ten seconds in a notebook, nothing in a
            script.
        note: Called with sentences for the user, for example that there are fewer trials than requested.

    Returns:
        The study's results, as `load_results` reads them.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set, or its driver is alive.
        StudyChanged: The job differs from that of the study to resume; says how.
        Superseded: Another driver has taken the study over.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: Ctrl-C or SIGTERM came; the tables are complete. Before its session: KeyboardInterrupt.
        UsageError: Another thread of this process runs a study, or the study to resume uses a scheduler or a searcher
            of Ray Tune.
        UserError: Another mistake that the user can fix: storage, data, model, resources.
    """
    from pipeline.execution.run import run_study

    end_loading()
    if not isinstance(job, TuneJob):
        raise UsageError(f"run() takes a TuneJob; found an object of type {type(job).__name__}.")
    given = {"name": name, "budget.trials": trials, "budget.epochs": epochs, "resources.workers": workers}
    if changes := {field: value for field, value in given.items() if value is not None}:
        job = job.replaced(changes)
    storage = default_storage() if storage is None else storage
    store = Store(storage).folder(job.name)
    with study_process() as interrupts, notes_to(note):
        run_study(
            warm_started(job, storage), store, interrupts, resume=resume, accept_changes=accept_changes,
            take_over=take_over, address=address, display=display,
        )  # fmt: skip
        return load_results(store.uri)


def check(
    job: TuneJob,
    *,
    storage: str | Path | None = None,
    seconds: float = 120.0,
    note: Callable[[str], None] = print,
) -> "CheckResult":
    """Check a study before it starts: train first epochs, resume, export, build models, estimate its size.

    Args:
        job: The job.
        storage: The folder of studies, or a URI that every node reaches. Unless given: TUNEPIPE_STORAGE, or `studies`
            in the current folder.
        seconds: The maximum for the whole check.
        note: Called with sentences for the user.

    Returns:
        What was found. What fails while a trial trains is a finding, not an exception.

    Raises:
        UsageError: The job is no TuneJob.
        UserError: What `run` would refuse before it trains: resources, or the study that the job starts from.
    """
    from pipeline.execution.check import CheckResult, Finding, findings_of

    end_loading()
    if not isinstance(job, TuneJob):
        raise UsageError(f"check() takes a TuneJob; found an object of type {type(job).__name__}.")
    storage = default_storage() if storage is None else storage
    with notes_to(note), closing(findings_of(warm_started(job, storage), storage, seconds=seconds)) as facts:
        found = [*facts]
    estimates = [each for each in found if not isinstance(each, Finding)]
    return CheckResult(tuple(each for each in found if isinstance(each, Finding)), next(iter(estimates), None))


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
        StorageError: `to` cannot be written, or has a folder of the state's already.
    """
    models = _Models(Store(study))
    if not models.of_function:
        raise ModelError(f"The study {models.results.name!r} tunes a model: load_model returns it.")

    numbers = count(1)

    def folder() -> Path:
        if to is None:
            raise UsageError("The state contains files: name a folder for them, load_state(study, to=FOLDER).")
        # Files and folders of one state may have the same name.
        place = Path(to) if (number := next(numbers)) == 1 else Path(to) / str(number)
        check_output(place)
        place.mkdir(parents=True, exist_ok=True)
        return place

    try:
        return models.state(models.assignment(trial), folder)
    except OSError as error:
        raise StorageError(f"Cannot write into {to}: {error.strerror}. Choose another folder.") from None


def export(store: Store, folder: Path) -> list[Path]:
    """Write the winner's model into a folder, as the study exported it when it ended."""
    check_output(folder)
    if existing := [name for path in layout.EXPORTED if os.path.lexists(folder / (name := Path(path).name))]:
        raise StorageError(
            f"There is {', '.join(existing)} in {folder}. Nothing was written. Choose another folder with --to, or "
            "delete an earlier export."
        )
    if load_results(store.uri).test is None:
        study = as_argument(store.uri)
        raise JobNotFound(
            f"The study in {store.uri} has not exported its best model: a study of models does so when it ends "
            f"(`tunepipe resume {study}`). In Python, load_model({store.uri!r}) returns the model of any trial, and "
            "load_state the state of a function."
        )
    exported = {folder / Path(path).name: path for path in layout.EXPORTED if store.exists(path)}
    try:
        for file, path in exported.items():
            write_local(file, [store.read(path)])
    except OSError as error:
        raise StorageError(f"Cannot write into {folder}: {error.strerror}. Choose another folder with --to.") from None
    return list(exported)


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
        trial = trial if isinstance(trial, str) else layout.trial_id(int(trial))
        row = trial_row(results, trial)
        if row["best_epoch"] is None:
            raise JobNotFound(f"Trial {trial} of {results.name!r} has no model: no epoch has a finite {metric}.")
        if not (trial.isascii() and trial.isdigit()):
            raise StorageError(f"{trial!r} in the tables of {self.store.uri} is not a trial's id: they are damaged.")
        return Assignment(
            trial,
            configs_at_best(results, [trial])[trial],
            seed_of_trial(self.job, int(trial)),
            task=EXPORT,
            epoch=int(row["best_epoch"]),
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
            f"by its best epoch, {assignment.epoch}. A function f(config, state) yields (metrics, state)."
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
                return self._rebuilt(assignment, first_model(checkpoint) if self.job.repeats > 1 else checkpoint)
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
            data = load_data(self.job, config=RecordedConfig(config))
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
            raise StorageError(f"{error} Restore it from a copy, or load another trial.") from None
        except FileNotFoundError:
            pass
        top = self.results.job["checkpoints"].get("top")
        why = f"the study keeps only what checkpoints.top={top} allows" if top else "it was deleted, or never written"
        raise JobNotFound(
            f"The checkpoint of trial {trial}'s best epoch, {path}, is not in {self.store.uri}: {why}. Another "
            "study whose start_with has its config trains it again."
        )
