"""What the trials of one process share: its set-up, the data as tensors, and the traced epochs."""

import time
from typing import TYPE_CHECKING, Any

from pipeline.datasets import Dataset
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.base import Learner
from pipeline.training.folds import WHOLE, Fold, InStep, folds_of, labels_of, seed_of
from pipeline.training.function import FunctionLearner

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

__all__ = ["Workplace"]


class Workplace:
    """Makes learners; the second one of an architecture costs next to nothing.

    TensorFlow is imported, and the data are put in place, when it is made; for a function objective neither. `told`
    holds what a person was told of the job so far: that it cannot be resumed exactly, or not trained the fast way.

    Args:
        job: The study's job.
        data: Its data; None for a function objective.
        memory: Bytes that the data may fill in this process; half of a trial's share of what is free unless given.

    Raises:
        DataError: The job has a model, and there are no data.
        ResourcesUnmet: A trial asks for GPUs, and TensorFlow finds none.
    """

    def __init__(self, job: TuneJob, data: Dataset | None, *, memory: float | None = None) -> None:
        self.job, self.data = job, data
        self.told: list[str] = []
        if job.model is None:
            return
        if data is None:
            raise DataError(f"The job {job.name!r} has a model, and there are no data to train it on.")
        from pipeline.training.process import memory_for_data, set_up

        set_up(job.resources)
        import tensorflow as tf

        from pipeline.training.resident import Resident, example_of
        from pipeline.training.traces import Traces

        self._own_parts = False
        self._fresh = True
        self._strategy = tf.distribute.MirroredStrategy() if job.resources.strategy == "mirrored" else None
        self._example = example_of(data.train)
        free = memory_for_data(job.resources) if memory is None else memory
        self._fits = data.bytes <= free
        self._folds = folds_of(data.train, job.folds, seed=job.seed)
        self.traces: Any = None
        if self._fits and self._strategy is None:
            self._resident = Resident(data)
            self._parts = {fold.number: self._resident.part(fold) for fold in (WHOLE, *self._folds)}
            self.traces = Traces(len(self._folds))

    def learner(self, config: Config, *, seed: int) -> Learner:
        """A trial that has not begun.

        Args:
            config: The trial's config.
            seed: Where its initial weights and shuffling come from.

        Raises:
            ModelError: The model or the callbacks cannot be used.
            Exception: Whatever the user's code raises.
        """
        if self.job.function is not None:
            return FunctionLearner(self.job.function, config)
        labels = labels_of(len(self._folds), self.job.repeats)
        folds = self._folds * self.job.repeats
        members = [self._trainer(config, seed_of(seed, place), fold) for place, fold in enumerate(folds)]
        trainer = members[0] if len(members) == 1 else InStep(labels, members)
        if trainer.inexact is not None:
            self._say_once(f"a trial that is resumed may differ from one that never stopped: {trainer.inexact}.")
        return trainer

    def whole(self, config: Config, *, seed: int) -> Learner:
        """A model that learns from the whole training part, whatever the folds.

        Args:
            config: A trial's config.
            seed: The trial's seed.

        Raises:
            ModelError: The model or the callbacks cannot be used.
            Exception: Whatever the user's code raises.
        """
        return self._trainer(config, seed, WHOLE)

    def build(self, config: Config, *, seed: int) -> Any:
        """The job's model for a config, compiled and built, with its initial weights.

        Args:
            config: The trial's config.
            seed: Where its initial weights come from.

        Raises:
            ModelError: The model cannot be used.
            Exception: Whatever the user's code raises.
        """
        import contextlib

        import tensorflow as tf

        from pipeline.training.build import build_model

        if self._fresh or self._own_parts:
            # For tf.random in the user's own code. It empties TensorFlow's caches, so Keras' own models do without.
            tf.random.set_seed(seed)
            self._fresh = False
        with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
            model = build_model(self.job, config, seed=seed, example=self._example)
        if not self.job.resources.gpus or self._strategy is not None:
            # On a CPU compiling takes seconds and gains nothing.
            model.jit_compile = False
        return model

    def _trainer(self, config: Config, seed: int, fold: Fold) -> "Trainer":
        from pipeline.training.fit import FitTrainer, reason_for_fit
        from pipeline.training.inputs import inputs_told
        from pipeline.training.trainer import CompiledTrainer

        assert self.data is not None
        started = time.perf_counter()
        model = self._built(config, seed)
        reason = reason_for_fit(model)
        if self._strategy is not None:
            reason = "resources.strategy is mirrored"
        elif not self._fits:
            reason = f"the data ({self.data.bytes / 2**20:.0f} MiB) are too large to be kept in each worker"
        if reason is None:
            part, batch_size = self._parts[fold.number], int(config.get("batch_size", self.job.batch_size))
            with inputs_told(model, self._example):
                trace = self.traces.of(model, part, batch_size, list(config.values()))
            trainer = CompiledTrainer(self.job, config, trace, part, seed=seed, started=started)
            if (listening := trainer.callbacks.listening) is not None:
                self._say_once(f"each batch is run by itself, which is slower: {listening} wants to hear of it.")
            return trainer
        self._say_once(f"trials go through Keras' fit, which is slower than a compiled epoch: {reason}.")
        return FitTrainer(self.job, config, model, self.data, fold, seed=seed, started=started, stream=not self._fits)

    def _built(self, config: Config, seed: int) -> Any:
        from pipeline.training.outline import has_own_parts

        seeded = self._fresh or self._own_parts
        model = self.build(config, seed=seed)
        self._own_parts = has_own_parts(model)
        return model if seeded or not self._own_parts else self.build(config, seed=seed)

    def _say_once(self, what: str) -> None:
        if what not in self.told:
            self.told.append(what)
            print(f"tunepipe: {what[0].upper()}{what[1:]}")
