"""Classifiers with a custom loss, schedule, step or callback."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split


def mixed_up() -> Dataset:
    """Two zipped shuffled pipelines, mixed by weights that the pipeline draws."""
    rng = np.random.default_rng(0)
    x = rng.random((48, 6)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, 48)]

    def shuffled() -> Any:
        return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(48).batch(16)

    def mix(one: Any, two: Any) -> Any:
        part = tf.random.uniform([])
        return tuple(a * part + b * (1 - part) for a, b in zip(one, two, strict=True))

    return Dataset("mixed", tf.data.Dataset.zip((shuffled(), shuffled())).map(mix), Split(x, y))


def softmax_model(config: Mapping[str, Any]) -> keras.Model:
    """A classifier with its own schedule, warm-up included."""
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.AdamW(WarmUp(0.01, 4)), "categorical_crossentropy", metrics=["accuracy"])
    return model


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear warm-up, then a decay by the root of the steps."""

    def __init__(self, rate: float, steps: int) -> None:
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step."""
        step = keras.ops.cast(step, "float32") + 1
        return self.rate * keras.ops.minimum(step / self.steps, keras.ops.sqrt(self.steps / step))


class Distiller(keras.Model):
    """A student that learns from a teacher, with its own arguments for compile."""

    def __init__(self, student: keras.Model, teacher: keras.Model) -> None:
        super().__init__()
        self.teacher, self.student = teacher, student

    def compile(  # type: ignore[override]
        self, optimizer: Any, metrics: Any, student_loss_fn: Any, distillation_loss_fn: Any, alpha: float
    ) -> None:
        """Compile with both losses and their weight."""
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn, self.distillation_loss_fn, self.alpha = student_loss_fn, distillation_loss_fn, alpha

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Both losses."""
        taught = keras.ops.softmax(self.teacher(x, training=False))
        own = self.student_loss_fn(y, y_pred)
        return self.alpha * own + (1 - self.alpha) * self.distillation_loss_fn(taught, keras.ops.softmax(y_pred))

    def call(self, x: Any) -> Any:
        """The student's prediction."""
        return self.student(x)


def distilled(config: Mapping[str, Any]) -> keras.Model:
    """A small student of a frozen teacher."""
    teacher, student = (
        keras.Sequential([layers.Input((6,)), layers.Dense(width, "relu"), layers.Dense(2)]) for width in (8, 3)
    )
    teacher.trainable = False
    model = Distiller(student, teacher)
    model.compile(
        keras.optimizers.Adam(0.01),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        student_loss_fn=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        distillation_loss_fn=keras.losses.KLDivergence(),
        alpha=0.3,
    )
    return model


def labelled() -> Dataset:
    """Shuffled rows with whole numbers as targets."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 6)).astype("float32")
    y = (x[:, 0] > 0.5).astype("int64")
    rows = tf.data.Dataset.from_tensor_slices((x, y))
    return Dataset("labelled", rows.shuffle(48).batch(16), rows.batch(16))


def fraud_model(config: Mapping[str, Any]) -> keras.Model:
    """A classifier of rare rows, with metrics for rare classes."""
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")])
    model.compile(
        keras.optimizers.Adam(1e-2),
        "binary_crossentropy",
        metrics=[keras.metrics.FalseNegatives(name="fn"), keras.metrics.Precision(name="precision")],
    )
    return model


class Siamese(keras.Model):
    """Pulls an anchor towards its positive and away from its negative."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs: Any) -> Any:
        """The distances."""
        anchor, positive, negative = (self.network(part) for part in inputs)
        return (
            tf.reduce_sum(tf.square(anchor - positive), -1),
            tf.reduce_sum(tf.square(anchor - negative), -1),
        )

    def _loss(self, data: Any) -> Any:
        near, far = self(data)
        return tf.maximum(near - far + 0.5, 0.0)

    def train_step(self, data: Any) -> Any:
        """A step of the triplet loss."""
        with tf.GradientTape() as tape:
            loss = self._loss(data)
        weights = self.network.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data: Any) -> Any:
        """The triplet loss."""
        self.loss_tracker.update_state(self._loss(data))
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self) -> list[Any]:
        """The metric that each epoch resets."""
        return [self.loss_tracker]


def triplets() -> Dataset:
    """Anchors, positives and negatives, zipped."""
    rng = np.random.default_rng(0)
    parts = [tf.data.Dataset.from_tensor_slices(rng.normal(size=(40, 6)).astype("float32")) for _ in range(3)]
    rows = tf.data.Dataset.zip((parts[0], parts[1], parts[2].shuffle(40, seed=7)))
    return Dataset("triplets", rows.take(32).shuffle(32).batch(8).prefetch(2), rows.skip(32).batch(8))


def siamese(config: Mapping[str, Any]) -> keras.Model:
    """A network for triplets."""
    model = Siamese(keras.Sequential([layers.Input((6,)), layers.Dense(4, "relu"), layers.Dense(3)]))
    model.compile(optimizer=keras.optimizers.Adam(0.01), weighted_metrics=[])
    return model


def images_and_monitor(config: Mapping[str, Any]) -> list[Any]:
    """Callbacks as in examples: files, a plateau, early stopping, and one that predicts."""
    return [
        keras.callbacks.ModelCheckpoint("save_at_{epoch}.keras"),
        keras.callbacks.ModelCheckpoint("best.weights.h5", monitor="val_loss", save_weights_only=True, verbose=0),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=9),
    ]
