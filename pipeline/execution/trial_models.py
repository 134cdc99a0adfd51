"""Models and states of a study's trials, rebuilt from their checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.code import notebook_functions, takes_state, without_notes
from pipeline.datasets import Dataset, RecordedConfig, differences, fingerprint, recorded_for, takes_config
from pipeline.engine.messages import Assignment
from pipeline.errors import DamagedFile, DataError, JobNotFound, ModelError, StorageError, UserError
from pipeline.execution.worker.checkpoint_writer import learner_part
from pipeline.results.tables.load import Results, load_results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.space import Config, key_of
from pipeline.storage import Store, unpack
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.files import read_document, recorded_data
from pipeline.study.studies import as_argument
from pipeline.study.trial_configs import seed_of_trial
from pipeline.training.data import load_data


@dataclass
class TrialModels:
    """The models of a study's trials, or the states of its functions; job, data and worker are loaded once."""

    store: Store

    def __post_init__(self) -> None:
        self.results: Results = load_results(self.store.uri)
        self.of_function = self.results.job["model"] is None
        self._job: TuneJob | None = None
        self._loaded: dict[str, tuple[Dataset | None, str]] = {}
        self._worker: Any = None

    def assignment(self, trial: str | None) -> Assignment:
        """The assignment of a trial's best epoch."""
        results = self.results
        if trial is None:
            if results.best is None:
                metric = results.objective.metric
                raise JobNotFound(f"The study {results.name!r} has no best trial: no epoch has a finite {metric}.")
            trial = results.best.trial_id
        row = trial_row(results, trial)
        if row["objective"] != row["objective"]:
            raise JobNotFound(
                f"Trial {trial} of the study {results.name!r} has no model: no epoch has a finite "
                f"{results.objective.metric}. `tunepipe results` shows which trials have one."
            )
        if not (trial.isascii() and trial.isdigit()):
            raise StorageError(
                f"{trial!r}, which the tables of {self.store.uri} name, is not a trial's id: they are damaged. Nothing "
                "was exported."
            )
        epoch, config = int(row["best_epoch"]), configs_at_best(results, [trial])[trial]
        seed = seed_of_trial(self.job, int(trial))
        return Assignment(trial, config, seed, task="finish", epoch=epoch, value=float(row["objective"]))

    @property
    def job(self) -> TuneJob:
        """The study's job, its code loaded."""
        if self._job is None:
            self._job = load_study(self.store, here=notebook_functions())
        return self._job

    def exported(self) -> Any:
        """The winner's model as the study exported it; None if there is none, or Keras cannot load it here."""
        path = next(path for path in layout.EXPORTED if path.endswith(".keras"))
        if self.of_function or self.results.test is None or not self.store.exists(path):
            return None
        with without_notes(gpus=bool(self.results.job["resources"]["gpus"])):
            from pipeline.training.export import load_exported

            return load_exported(self.store.read(path))

    def state(self, assignment: Assignment, folder: Callable[[], Path]) -> Any:
        """The state of a function."""
        from pipeline.training.function import has_state, state_of

        none = ModelError(
            f"The study {self.results.name!r} tunes a function, and trial {assignment.trial_id} had yielded no "
            f"state by its best epoch, {assignment.epoch}: there is nothing to export. A function "
            "f(config, state) that yields (metrics, state) can be exported."
        )
        assert self.job.function is not None
        if not takes_state(self.job.function):
            raise none
        path = self._checkpoint(assignment)
        try:
            checkpoint = learner_part(unpack(self.store.read(path), path))
            if not has_state(checkpoint):
                raise none
            with without_notes(gpus=bool(self.job.resources.gpus)):
                return state_of(checkpoint, folder=folder, function=self.job.function)
        except (DamagedFile, FileNotFoundError) as error:
            raise StorageError(f"{error} Restore it from a copy, or export another trial with --trial.") from None

    def model(self, assignment: Assignment) -> Any:
        """The model, rebuilt with the weights of the checkpoint."""
        if self.of_function:
            return self._model_of_state(assignment)
        self._checkpoint(assignment)
        try:
            # A missing GPU driver needs no message on a machine without GPUs.
            with without_notes(gpus=bool(self.job.resources.gpus)):
                if self.job.folds == 1:
                    from pipeline.execution.worker.rebuilding import rebuilt_model

                    config = assignment.config
                    return rebuilt_model(
                        self.job, self.store, assignment, lambda: self._example(config), lambda: self._batch(config)
                    )
            return self._fitted_again(assignment)
        except UserError:
            raise
        except DamagedFile as error:
            raise StorageError(f"{error} Restore it from a copy, or export another trial with --trial.") from None
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            needs = " Files that build_model reads must still exist, unchanged." if isinstance(error, OSError) else ""
            raise ModelError(f"The model of trial {assignment.trial_id} cannot be rebuilt: {text}.{needs}") from error

    def _fitted_again(self, assignment: Assignment) -> Any:
        """The model of a study with folds, whose checkpoints hold one model for each fold."""
        if self._worker is None:
            from pipeline.execution.worker.worker import Worker

            data, why = self.data(assignment.config)
            if data is None:
                raise DataError(
                    f"The study {self.results.name!r} has folds, so a trial's model is trained again on the whole "
                    f"training split, which needs the data: {why}"
                )
            self._worker = Worker(self.job, data, self.store, capture=False, compare=False)
        try:
            return self._worker.model(assignment)
        finally:
            self._worker.close()

    def _example(self, config: Config) -> Any:
        """Inputs of one row, for a model that learns its shapes from them: as study.json records the data."""
        from pipeline.training.build import recorded_inputs
        from pipeline.training.pipelines import example_of

        known = recorded_for(recorded_data(read_document(self.store)), config)
        if (recorded := recorded_inputs(known)) is not None:
            return recorded
        data, why = self.data(config)
        if data is None:
            raise DataError(
                "The model learns the shapes of its inputs from the data, and the study does not record them: "
                f"{why} A model that begins with keras.Input needs no data."
            )
        return example_of(data.train)

    def _batch(self, config: Config) -> Any:
        """The specification of a batch of the training, for a model whose own train_step builds its parts."""
        from pipeline.training.pipelines import batch_spec

        data, why = self.data(config)
        if data is None:
            raise DataError(
                f"The model's own train_step builds its parts, which needs the data: {why} Parts that begin with "
                "keras.Input need no data."
            )
        return batch_spec(data.train)

    def data(self, config: Config) -> tuple[Dataset | None, str]:
        """The data on which a config was trained; if they are not available, None and the reason as a sentence."""
        key = key_of(config) if takes_config(self.job.data) else ""
        if key not in self._loaded:
            # Data for other configs are released: together they might not fit into memory.
            self._loaded.clear()
            try:
                before = recorded_for(recorded_data(read_document(self.store)), config)
                trains, own = self.job.folds > 1, RecordedConfig(config)
                data = load_data(self.job, trains=trains, config=own, recorded=before)
                assert data is not None
                changes = differences(before, fingerprint(data)) if before is not None else []
                why = f"the data differ from those that the study began with: {'; '.join(changes)}."
                self._loaded[key] = (None, why) if changes else (data, "")
            except StorageError:
                raise
            except Exception as error:  # whatever the user's data function raises
                self._loaded[key] = None, f"the data cannot be loaded: {' '.join(str(error).split()).rstrip('.')}."
        return self._loaded[key]

    def _checkpoint(self, assignment: Assignment) -> str:
        """The path of the checkpoint of a trial's best epoch."""
        path = layout.checkpoint(assignment.trial_id, assignment.epoch)
        if not self.store.exists(path):
            raise JobNotFound(self._gone(assignment, path))
        return path

    def _model_of_state(self, assignment: Assignment) -> Any:
        from pipeline.training.function_state import is_model

        with scratch("state") as folder:
            state = self.state(assignment, lambda: folder)
        if not is_model(state):
            raise ModelError(
                f"The study {self.results.name!r} tunes a function, and its state is not a Keras model: load_state "
                "returns it."
            )
        return state

    def _gone(self, assignment: Assignment, path: str) -> str:
        trial, kept = assignment.trial_id, self.results.job["checkpoints"]
        state = trial_row(self.results, trial)["state"]
        limits = [f"checkpoints.{name}={kept[name]:g}" for name in ("top", "gigabytes") if kept.get(name) is not None]
        if limits:
            why = f"the study keeps only what {' and '.join(limits)} allow"
            remedy = "Raise that with --set to keep the models of later studies; without it, every trial keeps its best"
        elif state == "failed":
            why = "a trial that failed keeps only its newest checkpoint"
            remedy = "Export another trial"
        elif state == "completed":
            why = "the checkpoint was deleted"
            remedy = "Restore it from a copy"
        else:
            why = "the study was interrupted before they were written"
            remedy = f"Resume it: `tunepipe resume {as_argument(self.store.uri)}`"
        return (
            f"The weights of trial {trial}'s best epoch, {path}, are not in {self.store.uri}: {why}. {remedy}. "
            f"`tunepipe rerun {as_argument(self.store.uri)} {trial}` trains its config again."
        )
