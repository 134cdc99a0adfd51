"""Models of a study's trials, and the states of its functions, as Python objects and as files.

They are rebuilt from checkpoints by the study's own copy of the code; the winner's model was exported when the study
ended.
"""

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
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
from pipeline.execution.process_state import kept_process_state
from pipeline.execution.worker.checkpoints import learner_part
from pipeline.execution.worker.winner import winner_document
from pipeline.results.tables.load import load_results
from pipeline.results.tables.trials import configs_at_best, ranked, trial_row
from pipeline.results.views.provenance import provenance_object
from pipeline.space import Config, key_of
from pipeline.storage import Store, unpack
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.contents import check_output_folder
from pipeline.study.files import read_document, recorded_data
from pipeline.study.studies import as_argument
from pipeline.study.trial_configs import seed_of_trial
from pipeline.training.data import load_data

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
        ModelError: The model cannot be rebuilt, or the study tunes a function whose state is not a Keras model.
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
        The state: dicts and lists of values and NumPy arrays, a keras.Model, or the Path of a folder within `to`.

    Raises:
        JobNotFound: There is no study, no such trial, or its checkpoint no longer exists; says how to keep it.
        ModelError: The study tunes a model, the function has yielded no state, or a model cannot be rebuilt.
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
        _refuse_existing(folder, overwrite=overwrite or top is not None)
        if top is not None:
            return _export_best(models, folder, top, saved_model=saved_model, overwrite=overwrite, note=note)
        if not is_winner or models.results.test is None:
            name = Path(layout.WINNER).name if is_winner else _TRIAL
            return _export(models, models.assignment(trial), folder, name, saved_model=saved_model, note=note)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for path in (path for path in layout.EXPORTED if store.exists(path)):
            written.append(folder / Path(path).name)
            written[-1].write_bytes(store.read(path))
        if saved_model:
            written.append(_write_saved_model(models.model(models.assignment(None)), folder))
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
    if models.of_function:
        from pipeline.training.function_state import write_state

        model = models.model(assignment) if saved_model else None
        with scratch("state") as files:
            state = models.state(assignment, lambda: files)
            folder.mkdir(parents=True, exist_ok=True)
            written = write_state(state, folder)
    else:
        model = models.model(assignment)
        from pipeline.training.export import export_and_evaluate

        data, why = models.data(assignment.config)
        if data is None:
            note(f"The model is not evaluated on the test split: {why}")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            metrics = export_and_evaluate(model, data, folder)
        except NotEvaluated as error:
            note(str(error))
        except (TunepipeError, OSError):
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be exported: {text}") from error
        names = {Path(path).name for path in layout.EXPORTED} - {Path(layout.WINNER).name, Path(layout.PROVENANCE).name}
        written = [folder / each for each in sorted(names) if (folder / each).is_file()]
    document = winner_document(assignment, models.job.objectives[0], metrics)
    (folder / name).write_text(document)
    facts = provenance_object(models.store, {"seed": assignment.seed, **json.loads(document)})
    (folder / Path(layout.PROVENANCE).name).write_text(json.dumps(facts, indent=2) + "\n")
    written += [folder / Path(layout.PROVENANCE).name, folder / name]
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
    trials = models.results.trials
    usable = set(trials[trials["objective"].notna() & (trials["state"] != "failed")]["trial_id"])
    best = [models.assignment(trial) for trial in ranked(models.results) if trial in usable]
    if not best:
        # Says that there is none.
        models.assignment(None)
    places, missing = {}, []
    for rank, each in enumerate(best[:top], 1):
        if models.store.exists(layout.checkpoint(each.trial_id, each.epoch)):
            places[folder / f"{rank:0{len(str(top))}d}-{each.trial_id}"] = each
        else:
            missing.append(each)
    for place in places:
        check_output_folder(place)
        _refuse_existing(place, overwrite=overwrite)
    said: set[str] = set()

    def note_once(text: str) -> None:
        if text not in said:
            said.add(text)
            note(text)

    written = [
        path
        for place, each in places.items()
        for path in _export(models, each, place, saved_model=saved_model, note=note_once)
    ]
    if missing and not written:
        models.model(missing[0])
    if missing:
        note(
            f"Missing: the models of {', '.join(each.trial_id for each in missing)}; the checkpoints of their best "
            f"epochs were deleted. `tunepipe export {as_argument(models.store.uri)} --trial {missing[0].trial_id}` "
            "says why."
        )
    if len(best) < top:
        note(f"There are {len(best)} trials with a model, not {top}.")
    return written


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write through links, to replace files that no export wrote, and others unless they may be replaced."""
    documents = [Path(layout.PROVENANCE).name, Path(layout.WINNER).name, _TRIAL]
    names = [*(Path(path).name for path in layout.EXPORTED), _TRIAL, *_OF_STATE, _SAVED_MODEL]
    existing = [name for name in dict.fromkeys(names) if os.path.lexists(folder / name)]
    if not existing:
        return
    if links := [name for name in existing if (folder / name).is_symlink()]:
        raise StorageError(
            f"{folder} has the links {', '.join(links)}, and tunepipe does not write through links. Nothing was "
            "written. Choose another folder with --to, or remove the links."
        )
    # An export's folder has a file that says where its model is from.
    if not any((folder / name).exists() for name in documents):
        raise StorageError(
            f"{folder} has {', '.join(existing)}, which tunepipe did not write. Nothing was written. Choose another "
            "folder with --to, or move these files."
        )
    if not overwrite:
        raise StorageError(
            f"{folder} has the files of an earlier export: {', '.join(existing)}. Nothing was written. Choose another "
            "folder with --to, or replace them with --overwrite (in Python: overwrite=True)."
        )


def _write_saved_model(model: Any, folder: Path) -> Path:
    from pipeline.training.export import write_saved_model

    write_saved_model(model, folder / _SAVED_MODEL)
    return folder / _SAVED_MODEL


class _Models:
    """The models of a study's trials, or the states of its functions; job, data and worker are loaded once."""

    def __init__(self, store: Store) -> None:
        self.store, self.results = store, load_results(store.uri)
        self.of_function = self.results.job["model"] is None
        self._data: tuple[Any, tuple[Dataset | None, str]] | None = None

    @cached_property
    def job(self) -> TuneJob:
        """The study's job, its code loaded."""
        return load_study(self.store, here=notebook_functions())

    @cached_property
    def _quietly(self) -> Callable[[], Any]:
        # A missing GPU driver needs no message on a machine without GPUs.
        gpus = bool(self.results.job["resources"]["gpus"])
        return lambda: without_notes(gpus=gpus)

    def assignment(self, trial: str | int | None) -> Assignment:
        """The assignment of a trial's best epoch; of the best trial, if none is named."""
        results, metric = self.results, self.results.objective.metric
        if trial is None:
            if results.best is None:
                raise JobNotFound(f"The study {results.name!r} has no best trial: no epoch has a finite {metric}.")
            trial = results.best.trial_id
        trial = layout.trial_id(trial) if isinstance(trial, int) else trial
        row = trial_row(results, trial)
        if row["objective"] != row["objective"]:
            raise JobNotFound(
                f"Trial {trial} of the study {results.name!r} has no model: no epoch has a finite {metric}. `tunepipe "
                "results` shows which trials have one."
            )
        if not (trial.isascii() and trial.isdigit()):
            raise StorageError(
                f"{trial!r}, which the tables of {self.store.uri} name, is not a trial's id: they are damaged. Nothing "
                "was exported."
            )
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
        try:
            path = self._checkpoint(assignment) if takes_state(function) else ""
            checkpoint = learner_part(unpack(self.store.read(path), path)) if path else None
            if checkpoint is not None and has_state(checkpoint):
                with self._quietly():
                    return state_of(checkpoint, folder=folder, function=function)
        except (DamagedFile, FileNotFoundError) as error:
            raise _damaged(error) from None
        raise ModelError(
            f"The study {self.results.name!r} tunes a function, and trial {assignment.trial_id} had yielded no state "
            f"by its best epoch, {assignment.epoch}: there is nothing to export. A function f(config, state) that "
            "yields (metrics, state) can be exported."
        )

    def model(self, assignment: Assignment) -> Any:
        """The model, rebuilt with the weights of the checkpoint."""
        if self.of_function:
            from pipeline.training.function_state import is_model

            with scratch("state") as folder:
                state = self.state(assignment, lambda: folder)
            if is_model(state):
                return state
            raise ModelError(
                f"The study {self.results.name!r} tunes a function, and its state is not a Keras model: load_state "
                "returns it."
            )
        self._checkpoint(assignment)
        try:
            with self._quietly():
                if self.job.folds > 1:
                    return self._fitted_again(assignment)
                from pipeline.execution.worker.winner import rebuilt_model

                config = assignment.config
                return rebuilt_model(
                    self.job, self.store, assignment, lambda: self._example(config), lambda: self._batch(config)
                )
        except UserError:
            raise
        except DamagedFile as error:
            raise _damaged(error) from None
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            needs = " Files that build_model reads must still exist, unchanged." if isinstance(error, OSError) else ""
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be rebuilt: {text}.{needs}") from error

    def _fitted_again(self, assignment: Assignment) -> Any:
        """The model of a study with folds, whose checkpoints hold one model for each fold."""
        from pipeline.execution.worker.worker import Worker

        data = self._needed(
            assignment.config, "With folds, a trial's model is trained again on the whole training split"
        )
        worker = Worker(self.job, data, self.store, capture=False)
        try:
            return worker.model(assignment)
        finally:
            worker.close()

    def _example(self, config: Config) -> Any:
        """Inputs of one row, for a model that learns its shapes from them: as study.json records the data."""
        from pipeline.training.build import recorded_inputs
        from pipeline.training.pipelines import example_of

        recorded = recorded_inputs(recorded_for(recorded_data(read_document(self.store)), config))
        if recorded is not None:
            return recorded
        return example_of(
            self._needed(config, "The model does not begin with keras.Input, and learns its shapes").train
        )

    def _batch(self, config: Config) -> Any:
        """The specification of a batch of the training, for a model whose own train_step builds its parts."""
        from pipeline.training.pipelines import batch_spec

        return batch_spec(self._needed(config, "The model's own train_step builds its parts").train)

    def _needed(self, config: Config, why: str) -> Dataset:
        data, missing = self.data(config)
        if data is None:
            raise DataError(f"{why}, which needs the data: {missing}")
        return data

    def data(self, config: Config) -> tuple[Dataset | None, str]:
        """The data on which a config was trained; if they are not available, None and the reason as a sentence."""
        key = key_of(config) if takes_config(self.job.data) else ""
        if self._data is None or self._data[0] != key:
            # Data for other configs are released: together they might not fit into memory.
            self._data = None
            self._data = key, self._loaded(config)
        return self._data[1]

    def _loaded(self, config: Config) -> tuple[Dataset | None, str]:
        try:
            before = recorded_for(recorded_data(read_document(self.store)), config)
            data = load_data(self.job, trains=self.job.folds > 1, config=RecordedConfig(config), recorded=before)
            assert data is not None
            changes = differences(before, fingerprint(data)) if before is not None else []
        except StorageError:
            raise
        except Exception as error:  # whatever the user's data function raises
            return None, f"the data cannot be loaded: {' '.join(str(error).split()).rstrip('.')}."
        if changes:
            return None, f"the data differ from those that the study began with: {'; '.join(changes)}."
        return data, ""

    def _checkpoint(self, assignment: Assignment) -> str:
        """The path of the checkpoint of a trial's best epoch."""
        trial, study = assignment.trial_id, as_argument(self.store.uri)
        path = layout.checkpoint(trial, assignment.epoch)
        if self.store.exists(path):
            return path
        limits = self.results.job["checkpoints"]
        kept = [f"checkpoints.{name}={limits[name]:g}" for name in ("top", "gigabytes") if limits.get(name) is not None]
        state = trial_row(self.results, trial)["state"]
        if kept:
            why = f"the study keeps only what {' and '.join(kept)} allow. Raise that with --set in later studies"
        elif state == "failed":
            why = "a trial that failed keeps only its newest checkpoint. Export another trial"
        elif state == "completed":
            why = "the checkpoint was deleted. Restore it from a copy"
        else:
            why = f"the study was interrupted before they were written. Resume it: `tunepipe resume {study}`"
        raise JobNotFound(
            f"The weights of trial {trial}'s best epoch, {path}, are not in {self.store.uri}: {why}. `tunepipe rerun "
            f"{study} {trial}` trains its config again."
        )


def _damaged(error: Exception) -> StorageError:
    return StorageError(f"{error} Restore it from a copy, or export another trial with --trial.")
