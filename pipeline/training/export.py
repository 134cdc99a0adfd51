"""The winner as files, in forms that others can load: Keras' own, and the architecture as JSON with weights as HDF5."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.datasets import Split
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.training.outline import has_own_parts
from pipeline.training.resident import as_batch, example_of
from pipeline.training.state import load_variables, variables_of
from pipeline.training.workplace import Workplace

__all__ = ["evaluate", "export", "winner"]

_BATCH = 1000
_EXAMPLES = 16


def winner(
    workplace: Workplace, config: Config, checkpoint: Checkpoint, *, seed: int, folder: Path
) -> dict[str, float]:
    """Rebuild a study's winner, export it, and score it on the test split.

    Its weights are those that the checkpoint holds, of the trial's best epoch; where the optimiser averages weights,
    the average, as Keras' fit would leave it.

    Args:
        workplace: The job and its data.
        config: The config in force at the winner's best epoch.
        checkpoint: What the learner saved at that epoch.
        seed: The trial's seed.
        folder: Where to; it exists.

    Returns:
        `test_<metric>` for each metric; empty where the data have no test split, or the job has no model.

    Raises:
        ModelError: The model cannot be rebuilt, or an exported form does not load back equal.
    """
    if workplace.job.model is None or workplace.data is None:
        return {}
    model = workplace.build(config, seed=seed)
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
        variables = variables_of(model)
        saved = checkpoint.header["variables"][: len(variables)]
        load_variables(variables, checkpoint.arrays[: len(saved)], saved)
        if not _averages_in_place(checkpoint):
            model.optimizer.finalize_variable_values(model.trainable_variables)
    export(model, folder, example=example_of(workplace.data.validation, rows=_EXAMPLES))
    if workplace.data.test is None:
        return {}
    return {f"test_{name}": value for name, value in evaluate(model, workplace.data.test).items()}


def evaluate(model: keras.Model, split: Split) -> dict[str, float]:
    """A compiled model's metrics over a split.

    Args:
        model: The model.
        split: The rows.

    Returns:
        Metric name → value.
    """
    x, y, *weight = as_batch(split)
    found = model.evaluate(
        x, y, batch_size=_BATCH, sample_weight=weight[0] if weight else None, verbose=0, return_dict=True
    )
    return {name: float(value) for name, value in found.items() if np.ndim(value) == 0}


def export(model: keras.Model, folder: Path, *, example: Any = None) -> None:
    """Write model.keras, architecture.json and model.weights.h5, and load them back in safe mode.

    A model with parts of the user's own that Keras cannot load without their code is kept as far as it goes: what is
    missing is printed, and model.weights.h5 is there in any case.

    Args:
        model: The model.
        folder: Where to; it exists.
        example: Inputs by which the loaded forms are compared with the model; their weights always are.

    Raises:
        ModelError: A form does not load back, or differs from the model.
    """
    model.save_weights(folder / "model.weights.h5")
    forms: dict[str, tuple[Callable[[], object], Callable[[], keras.Model]]] = {
        "model.keras": (
            lambda: model.save(folder / "model.keras"),
            lambda: keras.saving.load_model(folder / "model.keras", safe_mode=True, compile=False),
        ),
        "architecture.json": (
            lambda: (folder / "architecture.json").write_text(model.to_json(indent=2)),
            lambda: _from_json(folder),
        ),
    }
    for name, (write, load) in forms.items():
        try:
            write()
            loaded = load()
        except Exception as error:
            told = (
                f"{name} does not load back: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
            if not has_own_parts(model):
                raise ModelError(f"The exported {told}") from error
            (folder / name).unlink(missing_ok=True)
            print(
                f"tunepipe: The exported {told} It is left out; model.weights.h5 holds the weights. Classes and "
                "functions of your own can be exported if they are registered with "
                "keras.saving.register_keras_serializable()."
            )
            continue
        _compare(name, model, loaded, example)


def _compare(name: str, model: keras.Model, loaded: keras.Model, example: Any) -> None:
    pairs = list(zip(model.weights, loaded.weights, strict=False))
    same = len(model.weights) == len(loaded.weights) and all(
        np.array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), equal_nan=False) for a, b in pairs
    )
    if not same:
        raise ModelError(f"The exported {name} loads back with weights that are not the model's.")
    if example is None:
        return
    expected, found = (keras.tree.flatten(one(example, training=False)) for one in (model, loaded))
    for ours, theirs in zip(expected, found, strict=True):
        if not np.allclose(ours, theirs, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise ModelError(f"The exported {name} loads back, but predicts something else than the model.")


def _from_json(folder: Path) -> keras.Model:
    model = keras.models.model_from_json((folder / "architecture.json").read_text())
    model.load_weights(folder / "model.weights.h5")
    return model


def _averages_in_place(checkpoint: Checkpoint) -> bool:
    """Whether SwapEMAWeights had put the averages into the model when it was saved."""
    return any(state["values"].get("dict", {}).get("_ema_weights_in_model") for state in checkpoint.header["callbacks"])
