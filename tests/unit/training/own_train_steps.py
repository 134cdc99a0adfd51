"""Models with their own train_step, as in Keras' examples, in a small form.

Run as a program, it trains them one after the other in a separate process, and continues from states that were saved.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from pipeline.datasets import Dataset
from pipeline.storage import pack, unpack
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import data_of
from tests.unit.training.reference_training import job_of

EPOCHS = 3
SEED = 4

images: Callable[[], Dataset] = data_of(
    lambda draw, rows: (draw.random((rows, 8, 8, 1), dtype=np.float32), draw.random((rows, 1), dtype=np.float32))
)


class Sampling(layers.Layer):
    """Samples from the normal distribution of an encoder."""

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any) -> Any:
        """Draw."""
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class SamplingOfTensorFlow(layers.Layer):
    """Samples in the same way from a generator within TensorFlow."""

    def call(self, inputs: Any) -> Any:
        """Draw."""
        mean, log_variance = inputs
        return mean + ops.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))


class VAE(keras.Model):
    """The variational autoencoder of Keras' examples."""

    def __init__(self, sampling: layers.Layer) -> None:
        super().__init__()
        image = keras.Input((8, 8, 1))
        hidden = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
        hidden = layers.Dense(8, activation="relu")(layers.Flatten()(hidden))
        mean, log_variance = layers.Dense(2, name="mean")(hidden), layers.Dense(2, name="log_variance")(hidden)
        self.encoder = keras.Model(image, [mean, log_variance, sampling([mean, log_variance])], name="encoder")
        code = keras.Input((2,))
        hidden = layers.Reshape((4, 4, 4))(layers.Dense(64, activation="relu")(code))
        hidden = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(hidden)
        image = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(hidden)
        self.decoder = keras.Model(code, image, name="decoder")
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset before each epoch."""
        return list(self.trackers)

    def call(self, x: Any) -> Any:
        """Encode and decode."""
        return self.decoder(self.encoder(x)[2])

    def _reported(self, x: Any) -> tuple[Any, dict[str, Any]]:
        mean, log_variance, code = self.encoder(x)
        crossentropy = keras.losses.binary_crossentropy(x, self.decoder(code))
        reconstruction = ops.mean(ops.sum(crossentropy, axis=(1, 2)))
        divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
        kl = ops.mean(ops.sum(divergence, axis=1))
        total = reconstruction + kl
        for tracker, value in zip(self.trackers, (total, reconstruction, kl), strict=True):
            tracker.update_state(value)
        return total, {tracker.name: tracker.result() for tracker in self.trackers}

    def train_step(self, data: Any) -> dict[str, Any]:
        """Learn from a batch."""
        with tf.GradientTape() as tape:
            total, reported = self._reported(data[0])
        gradients = tape.gradient(total, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return reported

    def test_step(self, data: Any) -> dict[str, Any]:
        """Judge a batch."""
        return self._reported(data[0])[1]


def _vae(sampling: Callable[[], layers.Layer]) -> Callable[[Mapping[str, Any]], keras.Model]:
    def build(config: Mapping[str, Any]) -> keras.Model:
        model = VAE(sampling())
        model.compile(optimizer=keras.optimizers.Adam(config.get("lr", 0.01)))
        return model

    return build


class GAN(keras.Model):
    """The generative adversarial network of Keras' examples: two networks, two optimisers."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(8), layers.LeakyReLU(0.2), layers.Dense(1)]
        )
        self.generator = keras.Sequential(
            [keras.Input((4,)), layers.Dense(64, activation="sigmoid"), layers.Reshape((8, 8, 1))]
        )
        self.seed_generator = keras.random.SeedGenerator(7)

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
        """Take what both networks learn with."""
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
        self.d_tracker, self.g_tracker = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset before each epoch."""
        return [self.d_tracker, self.g_tracker]

    def call(self, x: Any) -> Any:
        """Judge images."""
        return self.discriminator(x)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Learn from a batch."""
        real = data[0]
        size = ops.shape(real)[0]
        made = self.generator(keras.random.normal((size, 4), seed=self.seed_generator))
        labels = ops.concatenate([ops.ones((size, 1)), ops.zeros((size, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(ops.concatenate([made, real], axis=0)))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        code = keras.random.normal((size, 4), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(ops.zeros((size, 1)), self.discriminator(self.generator(code)))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}

    def test_step(self, data: Any) -> dict[str, Any]:
        """Judge a batch."""
        judged = self.discriminator(data[0])
        self.d_tracker.update_state(self.loss_fn(ops.zeros_like(judged), judged))
        return {"loss": self.d_tracker.result()}


def _gan(config: Mapping[str, Any]) -> keras.Model:
    model = GAN()
    rate = config.get("lr", 0.01)
    model.compile(
        keras.optimizers.Adam(rate), keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    return model


class Contrastive(keras.Model):
    """A model that identifies augmented copies of images: the contrastive loss of SimCLR."""

    def __init__(self) -> None:
        super().__init__()
        self.augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.GaussianNoise(0.1)])
        self.encoder = keras.Sequential([layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(8)])
        self.probe = layers.Dense(1)
        self.tracker = keras.metrics.Mean(name="loss")
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset before each epoch."""
        return [self.tracker, self.accuracy]

    def call(self, x: Any) -> Any:
        """Encode and predict."""
        return self.probe(self.encoder(x))

    def _loss(self, x: Any, *, training: bool) -> Any:
        one, two = (
            ops.normalize(self.encoder(self.augment(x, training=training)), axis=1),
            ops.normalize(self.encoder(self.augment(x, training=training)), axis=1),
        )
        alike = ops.matmul(one, ops.transpose(two)) / 0.1
        labels = ops.arange(ops.shape(x)[0])
        self.accuracy.update_state(labels, alike)
        there = keras.losses.sparse_categorical_crossentropy(labels, alike, from_logits=True)
        back = keras.losses.sparse_categorical_crossentropy(labels, ops.transpose(alike), from_logits=True)
        spread = ops.mean(ops.square(one)) + ops.mean(ops.square(two))
        return (ops.mean(there) + ops.mean(back)) / 2 + 0.1 * spread

    def train_step(self, data: Any) -> dict[str, Any]:
        """Learn from a batch."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self._loss(x, training=True) + ops.mean(ops.square(self(x) - y))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.tracker.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> dict[str, Any]:
        """Judge a batch."""
        x, y = data
        self.tracker.update_state(self._loss(x, training=False) + ops.mean(ops.square(self(x) - y)))
        return {metric.name: metric.result() for metric in self.metrics}


def _contrastive(config: Mapping[str, Any]) -> keras.Model:
    model = Contrastive()
    model.compile(optimizer=keras.optimizers.Adam(config.get("lr", 0.01)))
    return model


OWN_STEPS: dict[str, Callable[[Mapping[str, Any]], keras.Model]] = {
    "VAE": _vae(lambda: Sampling(1337)),
    "VAE, unseeded generator": _vae(lambda: Sampling(None)),
    "VAE, tf.random": _vae(SamplingOfTensorFlow),
    "GAN, two optimisers": _gan,
    "contrastive": _contrastive,
}


def outcomes(
    name: str, *, folder: Path | None = None, resume: bool = False, others: int = 0, lr: float = 0.01
) -> list[dict[str, float]]:
    """The metrics that the epochs of a trial report."""
    trainer_factory = TrainerFactory(job_of(OWN_STEPS[name]), images())
    for number in range(others):
        other: Any = trainer_factory.learner({"lr": 0.1 + number}, seed=SEED + number)
        other.run_epoch()
        other.close()
    learner: Any = trainer_factory.learner({"lr": lr}, seed=SEED)
    file = folder / f"{name}.state" if folder is not None else None
    if resume and file is not None:
        learner.load(unpack(file.read_bytes(), name))
    found = []
    for epoch in range(int(resume), EPOCHS):
        found.append(dict(learner.run_epoch().metrics))
        if file is not None and not resume and epoch == 0:
            file.write_bytes(b"".join(pack(learner.save())))
    learner.close()
    return found


if __name__ == "__main__":
    from pipeline.study import Resources
    from pipeline.training.process import set_up

    set_up(Resources())
    saved = Path(sys.argv[1])
    reported = {
        name: {
            "again": outcomes(name, others=1),
            "resumed": outcomes(name, folder=saved, resume=True, others=2),
        }
        for name in OWN_STEPS
    }
    (saved / "found.json").write_text(json.dumps(reported))
