"""What the trials of a process share: its set-up, the data in the form for training, and the traced epochs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets import ConfigReads, Dataset, RecordedConfig, kind_of, takes_config
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.scratch import SharedFolder
from pipeline.study import Fit, TuneJob
from pipeline.study.context import in_part
from pipeline.text import note, size
from pipeline.training.base import Learner, batch_size_of, fit_arguments
from pipeline.training.ensemble import Ensemble, labels_of, seed_of
from pipeline.training.function import FunctionLearner, has_state

if TYPE_CHECKING:
    from pipeline.training.arrays import DeviceData, Fold
    from pipeline.training.trainer import Trainer


class PreparedData:
    """A data set in this process: its arrays as tensors, with the epochs compiled for them, or its pipelines."""

    def __init__(self, job: TuneJob, data: Dataset | None, load: Callable[[], Dataset], *, memory: float) -> None:
        from pipeline.training.arrays import WHOLE, DeviceData, first_inputs, folds_of
        from pipeline.training.pipelines import Source
        from pipeline.training.traces import Traces

        self.source: Source | None = None
        self.traces: Any = None
        self.arrays: Dataset | None = None
        if data is None or data.pipelines:
            self.source = Source(load, data)
            self.folds = [WHOLE]
            return
        self.arrays = data
        self._example = first_inputs(data.train)
        self.fits = data.bytes <= memory
        self.folds = folds_of(data.train, job.folds, seed=job.seed)
        if self.fits:
            tensors = DeviceData(data)
            self._parts = {fold.number: tensors.part(fold) for fold in (WHOLE, *self.folds)}
            self._weighted: dict[int, tuple[Any, DeviceData]] = {}
            self.traces = Traces(len(self.folds))

    @property
    def bytes(self) -> int:
        return 0 if self.arrays is None else self.arrays.bytes

    @property
    def example(self) -> Any:
        """Inputs of one row or of a batch, as tensors."""
        return self._example if self.source is None else self.source.example

    @property
    def dataset(self) -> Dataset:
        if self.source is not None:
            return self.source.fresh()
        assert self.arrays is not None
        return self.arrays

    def part(self, fold: "Fold", fit: Fit) -> "DeviceData":
        """The rows of a fold on the device, with class weights; the newest ones are kept."""
        if fit.class_weight is None:
            return self._parts[fold.number]
        key, kept = sorted(fit.class_weight.items()), self._weighted.get(fold.number)
        if kept is None or kept[0] != key:
            kept = self._weighted[fold.number] = key, self._parts[fold.number].weighted(fit.class_weight)
        return kept[1]


class TrainerFactory:
    """Creates learners; those of an architecture share its traces, and those of equal data these.

    Creating it imports TensorFlow and loads the data into memory, except for a function objective. A data function that
    takes the config is called for each combination of the values that it reads; arrays of the combinations used last
    are kept, as many as the memory allows, and at least one.
    """

    def __init__(
        self,
        job: TuneJob,
        data: Dataset | None,
        *,
        memory: float | None = None,
        workers_here: int | None = None,
        caches: SharedFolder | None = None,
    ) -> None:
        self.job = job
        if job.model is None:
            return
        if data is None and not callable(job.data):
            raise DataError(f"The job {job.name!r} has a model, and there are no data to train it on.")
        from pipeline.training.process import memory_for_data, set_up

        set_up(job.resources)
        self._own_parts = True
        """Whether the newest model has parts of the user's own; so at first, when that is unknown."""
        self._memory = memory_for_data(job.resources, workers_here) if memory is None else memory
        self._caches = caches
        # Data functions are called where the study was started, not in a trial's folder.
        self._folder = Path.cwd()
        self._kept: list[tuple[ConfigReads, PreparedData]] = []
        if not takes_config(job.data):
            self._kept.append((ConfigReads(), self._prepared(data, self._load)))

    def prepared(self, config: Config) -> PreparedData:
        for place, (reads, prepared) in enumerate(self._kept):
            if reads.fits(config):
                self._kept.append(self._kept.pop(place))
                return prepared
        recorded = RecordedConfig(config)
        data = self._load(recorded)
        while self._kept and sum(prepared.bytes for _, prepared in self._kept) + data.bytes > self._memory:
            self._kept.pop(0)
        self._kept.append((recorded.reads, self._prepared(data, lambda: self._load(RecordedConfig(config)))))
        return self._kept[-1][1]

    def replays(self, checkpoint: Checkpoint | None) -> bool:
        """Whether a trial that resumes is trained again from its first epoch: a function that has yielded no state."""
        return self.job.function is not None and (checkpoint is None or not has_state(checkpoint))

    def learner(self, config: Config, *, seed: int) -> Learner:
        if self.job.function is not None:
            return FunctionLearner(self.job.function, config, seed=seed, epochs=self.job.budget.epochs)
        folds = self.prepared(config).folds
        labels, folds = labels_of(len(folds), self.job.repeats), folds * self.job.repeats
        members = []
        for place, (label, fold) in enumerate(zip(labels, folds, strict=True)):
            with in_part(label):
                members.append(self._trainer(config, seed_of(seed, place), fold))
        return members[0] if len(members) == 1 else Ensemble(labels, members)

    def whole(self, config: Config, *, seed: int) -> Learner:
        """A model that learns from the whole training part, whatever the folds."""
        from pipeline.training.arrays import WHOLE

        return self._trainer(config, seed, WHOLE)

    def build(self, config: Config, *, seed: int, phases: int = 0) -> Any:
        from pipeline.training.build import build_untrained

        # Before the seed: the data function of a pipeline draws from the generators that the model draws from.
        example = self.prepared(config).example
        return build_untrained(self.job, lambda: example, config, seed=seed, phases=phases, draws=self._own_parts)

    def directory(self, config: Config) -> Path | None:
        """Where a trial works that reads files of a data function's pipelines: where the study was started."""
        if self.job.model is None or not callable(self.job.data) or self.prepared(config).source is None:
            return None
        return self._folder

    def _load(self, config: RecordedConfig | None = None) -> Dataset:
        from pipeline.training.data import load_data

        data = load_data(self.job, config=config, folder=self._folder, caches=self._caches)
        assert data is not None
        return data

    def _prepared(self, data: Dataset | None, load: Callable[[], Dataset]) -> PreparedData:
        return PreparedData(self.job, data, load, memory=self._memory)

    def _trainer(self, config: Config, seed: int, fold: "Fold") -> "Trainer":
        from pipeline.training.build import Phases, build_callbacks
        from pipeline.training.callbacks import may_change_model, with_batch_hooks
        from pipeline.training.trainer import CompiledTrainer, FitTrainer, reason_for_fit

        started, job = time.perf_counter(), self.job
        fit, phases = fit_arguments(job, config), Phases(job, config, seed=seed)
        prepared = self.prepared(config)
        if prepared.source is not None:
            prepared.source.prepare()
        model = self._built(config, seed)
        callbacks = build_callbacks(job, config, seed=seed)
        common: dict[str, Any] = {"job": job, "config": config, "callbacks": callbacks, "fit": fit, "phases": phases}
        common |= {"seed": seed, "started": started}
        reason = reason_for_fit(model)
        if prepared.source is not None:
            data = prepared.source.fresh()
            kinds = [f"the {name} split is a {kind_of(split)}" for name, split in data.pipelines.items()]
            return FitTrainer(model, data, source=prepared.source, reason=reason or ", ".join(kinds), **common)
        assert prepared.arrays is not None
        if not prepared.fits:
            reason = f"the data ({size(prepared.bytes)}) are too large to be kept in each worker"
        elif reason is None and (hooked := with_batch_hooks(callbacks)) is not None:
            reason = f"{hooked} has batch hooks"
        if reason is not None:
            note(f"Trials train with Keras' fit: {reason}.")
            stream = not prepared.fits
            return FitTrainer(model, prepared.arrays, fold, stream=stream, reason=reason, **common)
        part = prepared.part(fold, fit)
        # A phase compiles the model again: its first trace would serve no other trial.
        values = None if job.phases else list(config.values())
        # Its model is this one, or that of an earlier trial, which takes over this one's weights and optimiser.
        changes = may_change_model(callbacks)
        trace = None if changes else prepared.traces.of(model, part, batch_size_of(job, config), values)
        model = model if trace is None else trace.model
        return CompiledTrainer(model, part, trace=trace, traces=prepared.traces, **common)

    def _built(self, config: Config, seed: int) -> Any:
        from pipeline.training.traces import has_own_parts

        seeded = self._own_parts
        model = self.build(config, seed=seed)
        self._own_parts = has_own_parts(model)
        return model if seeded or not self._own_parts else self.build(config, seed=seed)
