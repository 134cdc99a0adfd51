"""The shared state of the trials of a process: its set-up, the data as tensors, and the traced epochs."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets import ConfigReads, Dataset, takes_config
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.shared_folder import SharedFolder
from pipeline.study import TuneJob
from pipeline.study.context import in_part
from pipeline.training.base import Learner, batch_size_of
from pipeline.training.ensemble import Ensemble, labels_of, seed_of
from pipeline.training.fit_arguments import fit_arguments
from pipeline.training.folds import WHOLE, Fold
from pipeline.training.function import FunctionLearner, has_state
from pipeline.training.job_notes import JobNotes
from pipeline.training.xla import leave_out_xla
from pipeline.wording import size

if TYPE_CHECKING:
    from pipeline.training.phases import Phases
    from pipeline.training.prepared_data import PreparedData
    from pipeline.training.trainer import Trainer


class TrainerFactory:
    """Creates learners; those of an architecture share its traces.

    Creating it imports TensorFlow and loads the data into memory, except for a function objective.
    """

    def __init__(
        self,
        job: TuneJob,
        data: Dataset | None,
        *,
        memory: float | None = None,
        workers_here: int | None = None,
        loaded: Callable[[ConfigReads, Dataset], None] = lambda _reads, _data: None,
        caches: SharedFolder | None = None,
    ) -> None:
        self.job = job
        self.notes = JobNotes()
        """What was printed about the job, such as what makes its training slow."""
        if job.model is None:
            return
        if data is None and not callable(job.data):
            raise DataError(f"The job {job.name!r} has a model, and there are no data to train it on.")
        from pipeline.training.process import memory_for_data, set_up

        set_up(job.resources)
        import tensorflow as tf

        from pipeline.training.prepared_data import DataCombinations, PreparedData

        self._own_parts = False
        self._fresh = True
        self._strategy = tf.distribute.MirroredStrategy() if job.resources.strategy == "mirrored" else None
        free = memory_for_data(job.resources, workers_here) if memory is None else memory
        on_device = self._strategy is None
        self._shared: PreparedData | None = None
        if takes_config(job.data):
            self._combinations = DataCombinations(job, memory=free, on_device=on_device, loaded=loaded, caches=caches)
            return
        folder = Path.cwd()
        if data is not None:
            from pipeline.training.data import set_up_models

            set_up_models(job, folder=folder)
        if data is not None and data.shared and caches is not None:
            # They were made where nothing is shared, to find mistakes.
            data = None

        def load() -> Dataset:
            # The pipelines of a function are consumed; files are read again from the start.
            return _loaded(job, folder, caches) if data is None or callable(job.data) else data

        self._shared = PreparedData(job, data, load, memory=free, on_device=on_device)

    @property
    def traces(self) -> Any:
        """The compiled epochs for data that all trials share; None if there are none."""
        return None if self._shared is None else self._shared.traces

    def prepared(self, config: Config) -> "PreparedData":
        """The data that a trial trains on, in this process."""
        return self._combinations.of(config) if self._shared is None else self._shared

    def replays(self, checkpoint: Checkpoint | None) -> bool:
        """Whether a trial that resumes is trained again from its first epoch: a function that has yielded no state."""
        return self.job.function is not None and (checkpoint is None or not has_state(checkpoint))

    def learner(self, config: Config, *, seed: int) -> Learner:
        """A trial that has not begun."""
        if self.job.function is not None:
            return FunctionLearner(self.job.function, config, seed=seed)
        folds = self.prepared(config).folds
        labels, folds = labels_of(len(folds), self.job.repeats), folds * self.job.repeats
        members = []
        for place, (label, fold) in enumerate(zip(labels, folds, strict=True)):
            with in_part(label):
                members.append(self._trainer(config, seed_of(seed, place), fold))
                members[-1].notes = self.notes
        if len(members) > 1:
            from pipeline.training.persistent_objects import refuse_shared_weights

            refuse_shared_weights(member.model for member in members)
        trainer = members[0] if len(members) == 1 else Ensemble(labels, members)
        self.notes.look_for_shared(members, config)
        return trainer

    def whole(self, config: Config, *, seed: int) -> Learner:
        """A model that learns from the whole training part, whatever the folds."""
        return self._trainer(config, seed, WHOLE)

    def build(self, config: Config, *, seed: int, phases: int = 0) -> Any:
        """The job's model for a config, compiled and built, with its initial weights."""
        import tensorflow as tf

        from pipeline.training.build import build_model

        # Before the seed: the data function of a pipeline draws from the generators that the model draws from.
        prepared = self.prepared(config)
        example = prepared.example
        if self._fresh or self._own_parts:
            # For tf.random in the user's own code. It empties TensorFlow's caches, so Keras' own models do without.
            tf.random.set_seed(seed)
            self._fresh = False
        with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
            # In the scope of a strategy, its own step cannot be traced by itself.
            batch = (lambda: prepared.batch) if self._strategy is None else None
            model = build_model(self.job, config, seed=seed, example=lambda: example, batch=batch)
            self.adapt(model)
            self._phases(config, seed).prepare_first(model, phases)
        return model

    def _phases(self, config: Config, seed: int) -> "Phases":
        from pipeline.training.phases import Phases

        return Phases(self.job, config, seed=seed, adapt=self.adapt)

    def adapt(self, model: Any) -> None:
        """Leave out XLA where it gains nothing, in a model that was just compiled."""
        leave_out_xla(model, self.job.resources, self.notes.print_once)

    def _trainer(self, config: Config, seed: int, fold: Fold) -> "Trainer":
        from pipeline.training.fit_trainer import FitTrainer

        started = time.perf_counter()
        fit, phases = fit_arguments(self.job, config), self._phases(config, seed)
        common: dict[str, Any] = {"fit": fit, "phases": phases, "seed": seed, "started": started}
        prepared = self.prepared(config)
        if prepared.source is not None:
            prepared.source.prepare()
        model = self._built(config, seed)
        if prepared.source is not None:
            from pipeline.training.pipeline_trainer import PipelineTrainer

            return PipelineTrainer(self.job, config, model, prepared.source, **common)
        data = prepared.arrays
        assert data is not None
        reason = self._reason_for_fit(model, prepared)
        if reason is None:
            return self._compiled_trainer(config, model, prepared, fold, common)
        self.notes.print_once(f"trials go through Keras' fit, which is slower than a compiled epoch: {reason}.")
        return FitTrainer(self.job, config, model, data, fold, stream=not prepared.fits, reason=reason, **common)

    def _reason_for_fit(self, model: Any, prepared: "PreparedData") -> str | None:
        """Why a model is trained by Keras' fit; None if its epoch can be compiled."""
        from pipeline.training.fit_trainer import reason_for_fit

        if self._strategy is not None:
            return "resources.strategy is mirrored"
        if not prepared.fits:
            return f"the data ({size(prepared.bytes)}) are too large to be kept in each worker"
        return reason_for_fit(model)

    def _compiled_trainer(
        self, config: Config, model: Any, prepared: "PreparedData", fold: Fold, common: dict[str, Any]
    ) -> "Trainer":
        """A trainer with compiled epochs; `common` are the arguments that all kinds of trainers take."""
        from pipeline.training.compiled_trainer import CompiledTrainer
        from pipeline.training.inputs import explain_shape_errors

        part, batch_size = prepared.part(fold, common["fit"]), batch_size_of(self.job, config)

        def own_trace(model: Any) -> Any:
            with explain_shape_errors(model, prepared.example):
                return prepared.traces.own(model, part, batch_size)

        if self.job.phases:
            # A phase compiles the model again: its first trace would serve no other trial.
            trace = own_trace(model)
        else:
            with explain_shape_errors(model, prepared.example):
                trace = prepared.traces.of(model, part, batch_size, list(config.values()))
        trainer = CompiledTrainer(self.job, config, trace, part, retrace=own_trace, **common)
        if (callback := trainer.callbacks.batch_hook_callback) is not None:
            self.notes.print_once(f"each batch is a separate call, which is slower: {callback} has batch hooks.")
        return trainer

    def dataset(self, config: Config) -> Dataset | None:
        """The data that a trial trains on, pipelines unread; None for a function objective."""
        return None if self.job.model is None else self.prepared(config).dataset

    def _built(self, config: Config, seed: int) -> Any:
        from pipeline.training.trace_key import has_own_parts

        seeded = self._fresh or self._own_parts
        model = self.build(config, seed=seed)
        self._own_parts = has_own_parts(model)
        return model if seeded or not self._own_parts else self.build(config, seed=seed)


def _loaded(job: TuneJob, folder: Path, caches: SharedFolder | None) -> Dataset:
    from pipeline.training.data import load_data

    data = load_data(job, folder=folder, caches=caches)
    assert data is not None
    return data
