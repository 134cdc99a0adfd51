"""Models of a study's trials, and the states of its functions, as Python objects and as files.

They are rebuilt from checkpoints by the study's own copy of the code; the winner's model was exported when the study
ended.
"""

import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pipeline.code import notebook_functions, takes_state, without_notes
from pipeline.datasets import Dataset, RecordedConfig, differences, fingerprint, recorded_for, takes_config
from pipeline.engine.messages import Assignment
from pipeline.errors import (
    DamagedFile,
    DataError,
    JobNotFound,
    ModelError,
    NotEvaluated,
    StorageError,
    TunepipeError,
    UsageError,
    UserError,
)
from pipeline.execution.interrupts import kept_process_state
from pipeline.execution.worker.checkpoints import learner_part
from pipeline.execution.worker.winner import write_documents
from pipeline.results.tables.load import load_results
from pipeline.results.tables.trials import configs_at_best, ranked, trial_row
from pipeline.space import Config, key_of
from pipeline.storage import Checkpoint, Store, unpack
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.contents import check_output_folder
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.files import read_document, recorded_data
from pipeline.study.studies import as_argument
from pipeline.study.trial_configs import seed_of_trial
from pipeline.training.data import load_data
from pipeline.training.ensemble import first_of
from pipeline.training.process import import_keras

_TRIAL = "trial.json"
_SAVED_MODEL = "saved_model"
_OF_STATE = ("state.json", "arrays.npz", "files")


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
        check_output_folder(Path(to))
        Path(to).mkdir(parents=True, exist_ok=True)
        return Path(to)

    return models.state(models.assignment(trial), folder)


@kept_process_state()
def export(
    store: Store,
    folder: Path,
    *,
    trial: str | None = None,
    top: int | None = None,
    saved_model: bool = False,
    overwrite: bool = False,
    note: Callable[[str], None] = print,
) -> list[Path]:
    """Write models of a study into a folder: the winner, another trial's, or those of the best trials.

    The winner is written as the study exported it, or from its checkpoint if the study ended before that.
    """
    if trial is not None and top is not None:
        raise UsageError("--trial and --top cannot be combined: name one trial, or a number of the best.")
    is_winner = trial is None and top is None
    check_output_folder(folder, winner_of=store.local if is_winner else None)
    models = _Models(store)
    try:
        if top is not None:
            return _export_best(models, folder, top, saved_model=saved_model, overwrite=overwrite, note=note)
        _refuse_existing(folder, overwrite=overwrite)
        if not is_winner or models.results.test is None:
            name = Path(layout.WINNER).name if is_winner else _TRIAL
            return _export(models, models.assignment(trial), folder, name, saved_model=saved_model, note=note)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for path in (path for path in layout.EXPORTED if store.exists(path)):
            written.append(folder / Path(path).name)
            written[-1].write_bytes(store.read(path))
        if saved_model:
            written.append(_write_saved_model(models.exported() or models.model(models.assignment(None)), folder))
        return written
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write into {folder}: {reason}. Choose another folder with --to.") from None


def _export(
    models: "_Models",
    assignment: Assignment,
    folder: Path,
    name: str = _TRIAL,
    *,
    saved_model: bool,
    note: Callable[[str], None],
) -> list[Path]:
    """Write a trial's model or state, and the documents about it."""
    metrics: Mapping[str, float] = {}
    model = None if models.of_function and not saved_model else models.model(assignment)
    with scratch("state") as files:
        state = models.state(assignment, lambda: files) if models.of_function else None
        folder.mkdir(parents=True, exist_ok=True)
        if models.of_function:
            from pipeline.training.function_state import write_state

            written = write_state(state, folder)
        else:
            metrics = models.evaluated(model, assignment, folder, note)
            written = [folder / Path(path).name for path in layout.EXPORTED if (folder / Path(path).name).is_file()]
    written += write_documents(models.store, folder, name, assignment, models.job.objectives[0], metrics)
    written = sorted(set(written))
    return [*written, _write_saved_model(model, folder)] if saved_model else written


def _export_best(
    models: "_Models",
    folder: Path,
    top: int,
    *,
    saved_model: bool,
    overwrite: bool,
    note: Callable[[str], None],
) -> list[Path]:
    """Write the models of the best trials, each into a separate folder."""
    trials = models.results.table("trials").to_pylist()
    usable = {row["trial_id"] for row in trials if row["objective"] is not None and row["state"] != "failed"}
    best = [models.assignment(trial) for trial in ranked(models.results) if trial in usable]
    if not best:
        # Says that there is none.
        models.assignment(None)
    places, missing = {}, []
    for rank, each in enumerate(best[:top], 1):
        if models.store.exists(layout.checkpoint(each.trial_id, each.epoch)):
            places[folder / f"{rank:0{len(str(top))}d}-{each.trial_id}"] = each
        else:
            missing.append(each.trial_id)
    for place in places:
        check_output_folder(place)
        _refuse_existing(place, overwrite=overwrite)
    said: set[str] = set()

    def note_once(text: str) -> None:
        if text not in said:
            said.add(text)
            note(text)

    written = []
    for place, each in places.items():
        written += _export(models, each, place, saved_model=saved_model, note=note_once)
    if missing and not written:
        models.model(best[0])
    if missing:
        note(f"Missing: the models of {', '.join(missing)}; the checkpoints of their best epochs were deleted.")
    if len(best) < top:
        note(f"There are {len(best)} trials with a model, not {top}.")
    return written


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace links, files that no export wrote, and those of one unless they may be replaced."""
    documents = [Path(layout.PROVENANCE).name, Path(layout.WINNER).name, _TRIAL]
    names = [*(Path(path).name for path in layout.EXPORTED), _TRIAL, *_OF_STATE, _SAVED_MODEL]
    existing = [name for name in dict.fromkeys(names) if os.path.lexists(folder / name)]
    if not existing:
        return
    instead = f"in {folder}: {', '.join(existing)}. Nothing was written. Choose another folder with --to, or"
    if any((folder / name).is_symlink() for name in existing):
        raise StorageError(f"There are links {instead} remove them.")
    # An export's folder has a file that says where its model is from.
    if not any((folder / name).exists() for name in documents):
        raise StorageError(f"There are files which tunepipe did not write {instead} move them.")
    if not overwrite:
        raise StorageError(f"There is an earlier export {instead} replace it with --overwrite (overwrite=True).")


def _write_saved_model(model: Any, folder: Path) -> Path:
    from pipeline.training.export import write_saved_model

    write_saved_model(model, folder / _SAVED_MODEL)
    return folder / _SAVED_MODEL


class _Models:
    """The models of a study's trials, or the states of its functions; job and data are loaded once."""

    def __init__(self, store: Store) -> None:
        self.store, self.results = store, load_results(store.uri)
        self.of_function = self.results.job["model"] is None
        self._data: dict[str, Dataset] = {}

    @cached_property
    def job(self) -> TuneJob:
        """The study's job, its code loaded."""
        return load_study(self.store, here=notebook_functions())

    def _quietly(self) -> Any:
        # A missing GPU driver needs no message on a machine without GPUs.
        return without_notes(gpus=bool(self.results.job["resources"]["gpus"]))

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
        with self._quietly():
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
        state = self._checkpoint(assignment)
        try:
            with self._quietly():
                return self._rebuilt(assignment, first_of(state) if self.job.repeats > 1 else state)
        except UserError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            needs = " Files that build_model reads must still exist, unchanged." if isinstance(error, OSError) else ""
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be rebuilt: {text}.{needs}") from error

    def _rebuilt(self, assignment: Assignment, state: Checkpoint) -> Any:
        import_keras()
        from pipeline.training.build import build_untrained
        from pipeline.training.export import rebuilt
        from pipeline.training.pipelines import example_of

        config = assignment.config

        def example() -> Any:
            # For a model that learns its shapes from inputs.
            return example_of(self.data(config).train)

        with scratch("trial") as folder:
            context = TrialContext(assignment.trial_id, assignment.seed, self.job.budget.epochs, folder)
            with in_trial(context):
                return rebuilt(partial(build_untrained, self.job, example), config, state, seed=assignment.seed)

    def evaluated(
        self, model: Any, assignment: Assignment, folder: Path, note: Callable[[str], None]
    ) -> Mapping[str, float]:
        """Write a model's files, and return its metrics on the test split; empty without the data."""
        from pipeline.training.export import export_and_evaluate

        data = None
        try:
            data = self.data(assignment.config)
        except StorageError:
            raise
        except UserError as error:
            note(f"The model is not evaluated on the test split: {error}")
        try:
            return export_and_evaluate(model, data, folder)
        except NotEvaluated as error:
            note(str(error))
            return {}
        except (TunepipeError, OSError):
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be exported: {text}") from error

    def data(self, config: Config) -> Dataset:
        """The data on which a config was trained."""
        key = key_of(config) if takes_config(self.job.data) else ""
        if key not in self._data:
            # Data for other configs are released: together they might not fit into memory.
            self._data.clear()
            before = recorded_for(recorded_data(read_document(self.store)), config)
            data = load_data(self.job, config=RecordedConfig(config), recorded=before)
            assert data is not None
            if before is not None and (changes := differences(before, fingerprint(data))):
                raise DataError(f"The data differ from those that the study began with: {'; '.join(changes)}.")
            self._data[key] = data
        return self._data[key]

    def _checkpoint(self, assignment: Assignment) -> Checkpoint:
        """The learner's part of the checkpoint of a trial's best epoch."""
        trial, path = assignment.trial_id, layout.checkpoint(assignment.trial_id, assignment.epoch)
        try:
            return learner_part(unpack(self.store.read(path), path))
        except DamagedFile as error:
            raise StorageError(f"{error} Restore it from a copy, or export another trial with --trial.") from None
        except FileNotFoundError:
            pass
        limits = self.results.job["checkpoints"]
        kept = [f"checkpoints.{name}={limits[name]:g}" for name in ("top", "gigabytes") if limits.get(name) is not None]
        why = f"the study keeps only what {' and '.join(kept)} allow" if kept else "it was deleted, or never written"
        raise JobNotFound(
            f"The checkpoint of trial {trial}'s best epoch, {path}, is not in {self.store.uri}: {why}. `tunepipe rerun "
            f"{as_argument(self.store.uri)} {trial}` trains its config again."
        )
