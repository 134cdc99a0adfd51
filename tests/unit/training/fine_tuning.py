"""Fine-tuning: a frozen base that a second phase unfreezes, on small made-up data."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from pipeline.study import Phase, TuneJob
from tests.unit.training.reference_training import job_of

AT = 2
"""Epochs before the base is unfrozen."""


def frozen(config: Mapping[str, Any]) -> keras.Model:
    """A frozen base with BatchNormalization and Dropout, and a trainable head."""
    base = keras.Sequential(
        [layers.Input((6,)), layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dropout(0.2)], name="base"
    )
    base.trainable = False
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(base(x, training=False)))
    _compile(model, config.get("lr", 0.1))
    return model


def unfreeze(model: keras.Model, config: Mapping[str, Any]) -> None:
    """Train the base as well, with a smaller learning rate."""
    model.get_layer("base").trainable = True
    _compile(model, config.get("lr", 0.1) / 10)


def stopping(config: Mapping[str, Any]) -> list[Any]:
    """A callback that stops a phase at its second epoch, because no loss falls by 9."""
    return [keras.callbacks.EarlyStopping("loss", patience=1, min_delta=9.0, restore_best_weights=True)]


def fine_tuned(*, at: Any = AT, prepare: Any = unfreeze, **fields: Any) -> TuneJob:
    """A job whose model is unfrozen after some epochs; keyword arguments are its other fields."""
    return job_of(frozen, phases=[Phase(at=at, prepare=prepare)], **fields)


def _compile(model: keras.Model, rate: float) -> None:
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
