"""The data of a process in the form in which its trials train on them, one data set or one for each combination."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.datasets import ConfigReads, Dataset, RecordedConfig
from pipeline.space import Config
from pipeline.storage.shared_folder import SharedFolder
from pipeline.study import TuneJob
from pipeline.training.data import load_data, sets_up_models
from pipeline.training.device_data import DeviceData, example_of
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.folds import WHOLE, Fold, folds_of
from pipeline.training.pipelines import Source, batch_spec
from pipeline.training.traces import Traces

_WEIGHTINGS = 8
"""Class weights whose rows' weights are kept, for each part of the data."""


class PreparedData:
    """A data set in this process: its arrays as tensors with the epochs that are compiled for them, or
    its pipelines.
    """

    def __init__(
        self, job: TuneJob, data: Dataset | None, load: Callable[[], Dataset], *, memory: float, on_device: bool
    ) -> None:
        self.source: Source | None = None
        self.traces: Any = None
        self.arrays: Dataset | None = None
        self.fits = True
        if data is None or data.pipelines:
            # Data of a function that are here already are those of its first call in this process.
            own = callable(job.data)
            self.source = Source(load, None if own else data, discard_first=own and data is None)
            self.folds = [WHOLE]
            return
        self.arrays = data
        self._example = example_of(data.train)
        self.fits = data.bytes <= memory
        self.folds = folds_of(data.train, job.folds, seed=job.seed)
        if self.fits and on_device:
            tensors = DeviceData(data)
            self._parts = {fold.number: tensors.part(fold) for fold in (WHOLE, *self.folds)}
            self._weighted: OrderedDict[Any, DeviceData] = OrderedDict()
            self.traces = Traces(len(self.folds))

    @property
    def bytes(self) -> int:
        """Size of the arrays."""
        return 0 if self.arrays is None else self.arrays.bytes

    @property
    def example(self) -> Any:
        """Inputs of one row, as tensors."""
        return self._example if self.source is None else self.source.example

    @property
    def batch(self) -> Any:
        """The specification of a batch of the training, as for `batch_spec`."""
        return batch_spec(self.dataset.train) if self.source is None else self.source.batch

    @property
    def dataset(self) -> Dataset:
        """The data set, its pipelines unread."""
        if self.source is not None:
            return self.source.fresh()
        assert self.arrays is not None
        return self.arrays

    def part(self, fold: Fold, fit: FitArguments) -> DeviceData:
        """The rows of a fold on the device, with class weights; the newest few weightings are kept."""
        if fit.class_weight is None:
            return self._parts[fold.number]
        key = (fold.number, tuple(sorted(fit.class_weight.items())))
        if key not in self._weighted:
            self._weighted[key] = self._parts[fold.number].weighted(fit.class_weight)
        self._weighted.move_to_end(key)
        while len(self._weighted) > _WEIGHTINGS * len(self._parts):
            self._weighted.popitem(last=False)
        return self._weighted[key]


class DataCombinations:
    """The data sets of a data function that takes the config: one for each combination of the values that it reads.

    Arrays of the combinations used last are kept, as many as the memory allows, and at least one.
    """

    def __init__(
        self,
        job: TuneJob,
        *,
        memory: float,
        on_device: bool,
        loaded: Callable[[ConfigReads, Dataset], None],
        caches: SharedFolder | None = None,
    ) -> None:
        self._job, self._memory, self._on_device, self._loaded = job, memory, on_device, loaded
        self._caches = caches
        self._sets_up = sets_up_models(job)
        # Data functions are called where the study was started, not in a trial's folder.
        self._folder = Path.cwd()
        self._kept: list[tuple[ConfigReads, PreparedData]] = []

    def of(self, config: Config) -> PreparedData:
        """The data set for a config: one that is here, or the data function is called."""
        for place, (reads, prepared) in enumerate(self._kept):
            if reads.fits(config):
                self._kept.append(self._kept.pop(place))
                if self._sets_up and place < len(self._kept) - 1:
                    # Since then the function has set up the models for other data.
                    self._load(RecordedConfig(config))
                return prepared
        recorded = RecordedConfig(config)
        data = self._load(recorded)
        reads = recorded.reads
        self._loaded(reads, data)
        while self._kept and sum(prepared.bytes for _, prepared in self._kept) + data.bytes > self._memory:
            self._kept.pop(0)
        prepared = PreparedData(
            self._job,
            data,
            lambda: self._load(RecordedConfig(config)),
            memory=self._memory,
            on_device=self._on_device,
        )
        self._kept.append((reads, prepared))
        return prepared

    def _load(self, config: RecordedConfig) -> Dataset:
        data = load_data(self._job, config=config, folder=self._folder, caches=self._caches)
        assert data is not None
        return data
