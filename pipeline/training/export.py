"""The winner as files, in three forms that others can load: Keras' own, architecture as JSON, weights as HDF5."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Split
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.training.build import build_model
from pipeline.training.epoch import compiled, steps_of
from pipeline.training.resident import as_batch
from pipeline.training.state import load_variables
from pipeline.training.trainer import as_numbers
from pipeline.training.workplace import Workplace

__all__ = ["evaluate", "export", "winner"]

_BATCH = 1000


def winner(
    workplace: Workplace, config: Config, checkpoint: Checkpoint, *, seed: int, folder: Path
) -> dict[str, float]:
    """Rebuild a study's winner, export it, and score it on the test split.

    Args:
        workplace: The job and its data.
        config: The config in force at the winner's best epoch.
        checkpoint: What the learner saved at that epoch.
        seed: The trial's seed.
        folder: Where to; it exists.

    Returns:
        `test_<metric>` for each metric; empty where the data have no test split.

    Raises:
        ModelError: The model cannot be rebuilt, or an exported form does not load back equal.
    """
    assert workplace.data is not None
    data = workplace.data
    example = tf.nest.map_structure(lambda array: tf.constant(array[:1]), as_batch(data.validation)[0])
    model = build_model(workplace.job, config, seed=seed, example=example)
    saved = checkpoint.header["variables"]
    count = len(model.variables)
    load_variables(model.variables, checkpoint.arrays[:count], saved[:count])
    if getattr(model.optimizer, "use_ema", False):
        model.optimizer.build(model.trainable_variables)
        load_variables(model.optimizer.variables, checkpoint.arrays[count : len(saved)], saved[count:])
        model.optimizer.finalize_variable_values(model.trainable_variables)
    export(model, folder, example=example)
    return {} if data.test is None else {f"test_{k}": v for k, v in evaluate(model, data.test).items()}


def evaluate(model: keras.Model, split: Split) -> dict[str, float]:
    """A compiled model's metrics over a split."""
    batch = tf.nest.map_structure(tf.constant, as_batch(split))
    rows = split.rows
    run = compiled(model.test_step, batch, rows, min(rows, _BATCH), jit_compile=False, stop_at_nan=False)
    model.reset_metrics()
    logs = run(tf.range(rows, dtype=tf.int32), 0, steps_of(rows, min(rows, _BATCH)))
    return as_numbers(model._get_metrics_result_or_logs(logs))


def export(model: keras.Model, folder: Path, *, example: object) -> None:
    """Write model.keras, architecture.json and model.weights.h5, and load them back.

    Args:
        model: The model.
        folder: Where to; it exists.
        example: Inputs by which the loaded forms are compared with the model.

    Raises:
        ModelError: A form does not load back, or predicts something else.
    """
    model.save(folder / "model.keras")
    (folder / "architecture.json").write_text(model.to_json(indent=2))
    model.save_weights(folder / "model.weights.h5")
    expected = tf.nest.flatten(model(example, training=False))
    for form, load in (("model.keras", _from_keras), ("architecture.json with model.weights.h5", _from_json)):
        try:
            found = tf.nest.flatten(load(folder)(example, training=False))
        except Exception as error:
            raise ModelError(
                f"The exported {form} does not load back: {type(error).__name__}: {error} Register classes of your own "
                "with keras.saving.register_keras_serializable()."
            ) from error
        if not all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(expected, found, strict=True)):
            raise ModelError(f"The exported {form} loads back, but predicts something else than the model.")


def _from_keras(folder: Path) -> keras.Model:
    return keras.saving.load_model(folder / "model.keras", safe_mode=True, compile=False)


def _from_json(folder: Path) -> keras.Model:
    model = keras.models.model_from_json((folder / "architecture.json").read_text())
    model.load_weights(folder / "model.weights.h5")
    return model
