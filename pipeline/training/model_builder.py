"""A job's models without training, for the weights of checkpoints."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Split
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.build import build_model
from pipeline.training.data import set_up_models
from pipeline.training.device_data import example_of
from pipeline.training.internals import compile_arguments
from pipeline.training.phases import Phases


class ModelBuilder:
    """Builds models of a job; it needs no data, but their shapes where a model learns its own from them, the
    specification of a batch where its own train_step builds its parts, and a data function that adapts, fits or sets
    what `build_model` uses.

    TensorFlow's threads and devices stay as they are in this process.
    """

    def __init__(self, job: TuneJob, example: Callable[[], Any], batch: Callable[[], Any] | None = None) -> None:
        self._job, self._example, self._batch = job, example, batch

    def build(self, config: Config, *, seed: int, phases: int = 0) -> keras.Model:
        """The job's model for a config, compiled and built."""
        set_up_models(self._job, trains=False, config=config)
        tf.random.set_seed(seed)
        model = build_model(self._job, config, seed=seed, example=self._example, batch=self._batch)
        self._adapt(model)
        Phases(self._job, config, seed=seed, adapt=self._adapt).prepare_first(model, phases)
        return model

    def _adapt(self, model: keras.Model) -> None:
        if not self._job.resources.gpus and (compile_arguments(model) or {}).get("jit_compile") is not True:
            # As in training: on a CPU compiling takes seconds and gains nothing.
            model.jit_compile = False


def recorded_inputs(fingerprint: Mapping[str, Any] | None) -> Any:
    """Inputs of one row, of zeros or empty texts, in the shapes and dtypes that a study records of its data."""
    arrays: dict[tuple[str, ...], np.ndarray] = {
        tuple(name.split(".")[2:]): np.zeros((1, *entry["shape"][1:]), np.dtype(entry["dtype"]))
        for name, entry in (fingerprint or {}).items()
        if name.split(".")[:2] == ["train", "x"] and "shape" in entry
    }
    if not arrays:
        return None
    for path, array in arrays.items():
        if array.dtype.hasobject:
            arrays[path] = np.full(array.shape, "", object)
    return example_of(Split(_tree(arrays), None))


def _tree(arrays: Mapping[tuple[str, ...], np.ndarray]) -> Any:
    if () in arrays:
        return arrays[()]
    parts = dict.fromkeys(path[0] for path in arrays)
    inner = {part: _tree({path[1:]: array for path, array in arrays.items() if path[0] == part}) for part in parts}
    numbered = list(inner) == [str(number) for number in range(len(inner))]
    return tuple(inner.values()) if numbered else inner
