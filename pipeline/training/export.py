"""The winner as files that others can load: a .keras file, and the weights as HDF5."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.code.modules import sentence_of
from pipeline.datasets import Split
from pipeline.errors import NotEvaluated
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.scratch import scratch
from pipeline.training.arrays import as_batch, with_text_as_tensors
from pipeline.training.pipelines import with_generator_as_dataset
from pipeline.training.state import build_optimizer, load_variables, variables_of
from pipeline.training.trainer_factory import TrainerFactory

_BATCH = 1000


def rebuilt(build: Callable[..., keras.Model], config: Config, checkpoint: Checkpoint, *, seed: int) -> keras.Model:
    """A trial's model as `build` makes it, compiled, with the weights of a checkpoint.

    Where the optimiser averages weights, they are the average, as Keras' fit would leave it.
    """
    phases = len(checkpoint.header.get("phases", ()))
    model = build(config, seed=seed, phases=phases)
    with model.distribute_strategy.scope():
        build_optimizer(model)
        variables = variables_of(model)
        saved = checkpoint.header["variables"][: len(variables)]
        load_variables(variables, checkpoint.arrays[: len(saved)], saved)
        if not _averages_in_place(checkpoint):
            model.optimizer.finalize_variable_values(model.trainable_variables)
    return model


def export_winner(
    trainer_factory: TrainerFactory, config: Config, checkpoint: Checkpoint, *, seed: int, folder: Path
) -> dict[str, float]:
    """Rebuild a study's winner, export it, and score it on the test split."""
    data = trainer_factory.prepared(config).dataset
    model = rebuilt(trainer_factory.build, config, checkpoint, seed=seed)
    export(model, folder)
    if data.test is None:
        return {}
    try:
        metrics = evaluate(model, data.test)
    except Exception as error:
        failed = "The model is exported, but evaluating it on the test split failed"
        raise NotEvaluated(f"{failed}: {sentence_of(error)}") from error
    return {f"test_{name}": value for name, value in metrics.items()}


def evaluate(model: keras.Model, split: Any) -> dict[str, float]:
    if isinstance(split, Split):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(with_text_as_tensors(as_batch(split)))
        metrics = model.evaluate(x, y, batch_size=_BATCH, sample_weight=weight, verbose=0, return_dict=True)
    else:
        metrics = model.evaluate(with_generator_as_dataset(split), verbose=0, return_dict=True)
    return {name: float(value) for name, value in metrics.items() if np.ndim(value) == 0}


def export(model: keras.Model, folder: Path) -> None:
    """Write model.weights.h5 and model.keras, and load the latter back in safe mode.

    One that does not load back, such as that of a model with the user's own classes, is left out with a note.
    """
    model.save_weights(folder / "model.weights.h5")
    path = folder / "model.keras"
    try:
        model.save(path)
        keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:
        # Further sentences of an error of Keras have the whole config of the model.
        first = " ".join(str(error).strip().partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
        reason = f"{type(error).__name__}: {first}."
        path.unlink(missing_ok=True)
        print(
            f"tunepipe: model.keras is left out: it would not load back: {reason} Register your classes and functions "
            "with keras.saving.register_keras_serializable() to get it. pipeline.load_model needs no export: it builds "
            "the model with the study's own code."
        )


def load_exported(content: bytes) -> keras.Model | None:
    """A model from the bytes of a .keras file, in safe mode."""
    with scratch("model") as folder:
        file = folder / "model.keras"
        file.write_bytes(content)
        try:
            model: keras.Model = keras.saving.load_model(file, safe_mode=True)
        except Exception:  # Keras raises whatever the missing part leads to
            return None
    return model


def _averages_in_place(checkpoint: Checkpoint) -> bool:
    """Whether SwapEMAWeights had swapped the averages into the model when it was saved."""
    saved = (name_and_value for state in checkpoint.header["callbacks"] for name_and_value in state["values"]["dict"])
    return any(name == "_ema_weights_in_model" and value["value"] for name, value in saved)
