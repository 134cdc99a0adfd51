"""Generative and contrastive models, with their own steps."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset


class Autoencoder(keras.Model):
    """An autoencoder that compares its output with its input."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = layers.Dense(2, "relu"), layers.Dense(6)

    def call(self, x: Any) -> Any:
        """Encode and decode."""
        return self.decoder(self.encoder(x))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The mean squared error of the inputs."""
        return keras.ops.mean(keras.ops.square(x - y_pred))


def autoencoder(config: Mapping[str, Any]) -> keras.Model:
    """An autoencoder without targets."""
    model = Autoencoder()
    model.compile("adam")
    return model


class VAE(keras.Model):
    """A variational autoencoder without call(), whose parts are built."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = keras.Sequential([layers.Input((6,)), layers.Dense(4)])
        self.decoder = keras.Sequential([layers.Input((2,)), layers.Dense(6)])
        self.seed_generator = keras.random.SeedGenerator(7)
        self.total = keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[Any]:
        """The metric that each epoch resets."""
        return [self.total]

    def train_step(self, data: Any) -> Any:
        """A step of the reparametrised bound."""
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(data), 2, axis=1)
            noise = keras.random.normal(tf.shape(mean), seed=self.seed_generator)
            rebuilt = self.decoder(mean + tf.exp(log_variance / 2) * noise)
            kl = tf.reduce_mean(tf.square(mean) + tf.exp(log_variance) - log_variance - 1)
            loss = tf.reduce_mean(tf.square(rebuilt - data)) + 0.1 * kl
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights, strict=True)
        )
        self.total.update_state(loss)
        return {"loss": self.total.result()}


def vae(config: Mapping[str, Any]) -> keras.Model:
    """A variational autoencoder."""
    model = VAE()
    model.compile(keras.optimizers.Adam(0.01))
    return model


class GAN(keras.Model):
    """A generator and a discriminator with an optimiser each."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = keras.Sequential([layers.Input((6,)), layers.Dense(4, "relu"), layers.Dense(1)])
        self.generator = keras.Sequential([layers.Input((3,)), layers.Dense(6)])
        self.seed_generator = keras.random.SeedGenerator(5)
        self.d_loss, self.g_loss = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[Any]:
        """The metrics that each epoch resets."""
        return [self.d_loss, self.g_loss]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:  # type: ignore[override]
        """Two optimisers and a loss."""
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, real: Any) -> Any:
        """A step of both."""
        rows = tf.shape(real)[0]
        fake = self.generator(keras.random.normal((rows, 3), seed=self.seed_generator))
        both, labels = tf.concat([fake, real], 0), tf.concat([tf.ones((rows, 1)), tf.zeros((rows, 1))], 0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            fake = self.generator(keras.random.normal((rows, 3), seed=self.seed_generator))
            g_loss = self.loss_fn(tf.zeros((rows, 1)), self.discriminator(fake))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_loss.update_state(d_loss)
        self.g_loss.update_state(g_loss)
        return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}


def gan(config: Mapping[str, Any]) -> keras.Model:
    """A generative adversarial network."""
    model = GAN()
    model.compile(
        keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    return model


class Diffusion(keras.Model):
    """A denoiser with a copy of averaged weights, a normaliser, and its own steps."""

    def __init__(self) -> None:
        super().__init__()
        self.normalizer = layers.Normalization()
        self.network = keras.Sequential([layers.Input((6,)), layers.Dense(6)])
        self.ema_network = keras.models.clone_model(self.network)
        self.seed_generator = keras.random.SeedGenerator(1)

    def compile(self, **arguments: Any) -> None:
        """Metrics of its own."""
        super().compile(**arguments)
        self.noise_loss_tracker = keras.metrics.Mean(name="n_loss")

    @property
    def metrics(self) -> list[Any]:
        """The metrics that each epoch resets."""
        return [self.noise_loss_tracker]

    def _loss(self, images: Any, network: Any, training: bool) -> Any:
        images = self.normalizer(images, training=training)
        noise = keras.random.normal(keras.ops.shape(images), seed=self.seed_generator)
        return self.loss(noise, network(images + noise, training=training))

    def train_step(self, images: Any) -> Any:
        """A step, and the average of its weights."""
        with tf.GradientTape() as tape:
            loss = self._loss(images, self.network, True)
        weights = self.network.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.noise_loss_tracker.update_state(loss)
        for weight, ema in zip(self.network.weights, self.ema_network.weights, strict=True):
            ema.assign(0.9 * ema + 0.1 * weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, images: Any) -> Any:
        """A step of the averaged weights."""
        self.noise_loss_tracker.update_state(self._loss(images, self.ema_network, False))
        return {metric.name: metric.result() for metric in self.metrics}


def images_alone() -> Dataset:
    """Inputs without targets in both splits."""
    rows = tf.data.Dataset.from_tensor_slices(np.random.default_rng(0).normal(size=(48, 6)).astype("float32"))
    return Dataset("images", rows.shuffle(48).batch(16, drop_remainder=True), rows.batch(16, drop_remainder=True))


def diffusion(config: Mapping[str, Any]) -> keras.Model:
    """A denoiser whose normaliser is adapted here."""
    model = Diffusion()
    model.normalizer.adapt(images_alone().validation)
    model.compile(optimizer=keras.optimizers.AdamW(0.01), loss=keras.losses.mean_absolute_error)
    return model


class Contrastive(keras.Model):
    """Recognises augmented copies, and classifies the labelled rows; its parts have no Input, and it has no call()."""

    def __init__(self) -> None:
        super().__init__()
        self.augmenter = keras.Sequential([layers.Rescaling(0.5), layers.GaussianNoise(0.2)])
        self.encoder = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(4)], name="encoder")
        self.probe = keras.Sequential([layers.Dense(2)], name="probe")

    def compile(self, contrastive_optimizer: Any, probe_optimizer: Any, **arguments: Any) -> None:  # type: ignore[override]
        """An optimiser for each loss."""
        super().compile(**arguments)
        self.contrastive_optimizer, self.probe_optimizer = contrastive_optimizer, probe_optimizer
        self.contrastive_loss = keras.metrics.Mean(name="c_loss")
        self.probe_accuracy = keras.metrics.SparseCategoricalAccuracy(name="p_acc")

    @property
    def metrics(self) -> list[Any]:
        """The metrics that each epoch resets."""
        return [self.contrastive_loss, self.probe_accuracy]

    def train_step(self, data: Any) -> Any:
        """A step of both losses, on unlabelled and on labelled rows."""
        unlabelled, (labelled, labels) = data
        rows = keras.ops.concatenate((unlabelled, labelled), axis=0)
        with tf.GradientTape() as tape:
            one, two = (keras.ops.normalize(self.encoder(self.augmenter(rows, training=True))) for _ in range(2))
            alike = keras.ops.matmul(one, keras.ops.transpose(two)) / 0.1
            own = keras.ops.arange(keras.ops.shape(rows)[0])
            loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(own, alike, from_logits=True))
        weights = self.encoder.trainable_weights
        self.contrastive_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.contrastive_loss.update_state(loss)
        with tf.GradientTape() as tape:
            logits = self.probe(self.encoder(labelled, training=False))
            loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
        weights = self.probe.trainable_weights
        self.probe_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.probe_accuracy.update_state(labels, logits)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> Any:
        """The accuracy of the labelled rows."""
        rows, labels = data
        self.probe_accuracy.update_state(labels, self.probe(self.encoder(rows)))
        return {"p_acc": self.probe_accuracy.result()}


def half_labelled() -> Dataset:
    """Shuffled rows of which some have labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    labelled = tf.data.Dataset.from_tensor_slices((x[:16], y[:16]))
    unlabelled = tf.data.Dataset.from_tensor_slices(x[16:]).shuffle(48).batch(12)
    train = tf.data.Dataset.zip((unlabelled, labelled.shuffle(16).batch(4))).prefetch(2)
    return Dataset("half labelled", train, labelled.batch(8))


def contrastive(config: Mapping[str, Any]) -> keras.Model:
    """A contrastive model with two optimisers."""
    model = Contrastive()
    model.compile(contrastive_optimizer=keras.optimizers.Adam(0.01), probe_optimizer=keras.optimizers.Adam(0.02))
    return model
