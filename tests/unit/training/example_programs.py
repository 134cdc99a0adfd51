"""Programs of the kinds that Keras' own examples have, rewritten for small synthetic data."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split
from pipeline.study import Fit
from tests.unit.training.programs import Program

__all__ = ["EXAMPLES"]

Config = Mapping[str, Any]


def weather(config: Config) -> Dataset:
    """Windows over several measurements, thinned out, that predict one of them some steps ahead."""
    steps = np.arange(260, dtype="float32")
    values = np.stack([np.sin(steps / 9), np.cos(steps / 7), steps % 5 / 5], axis=1)
    past, ahead = config["past"], 4

    def windows(part: np.ndarray, *, shuffle: bool) -> Any:
        return keras.utils.timeseries_dataset_from_array(
            part[: -past - ahead], part[past + ahead :, :1], past // 2, sampling_rate=2, batch_size=32, shuffle=shuffle
        )

    return Dataset("weather", windows(values[:200], shuffle=True), windows(values[200:], shuffle=False))


def weather_model(config: Config) -> keras.Model:
    """An LSTM over windows of the config's length."""
    inputs = keras.Input((config["past"] // 2, 3))
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(4)(inputs)))
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    return model


_PICTURES = TemporaryDirectory(prefix="pictures")
"""Until this process ends."""


@cache
def picture_folder() -> Path:
    """A folder of pictures, in a folder for each class."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 200), ("dark", 60)):
        folder = Path(_PICTURES.name) / name
        folder.mkdir()
        for number in range(20):
            pixels = np.clip(rng.normal(level, 40, (9, 9, 3)), 0, 255).astype("uint8")
            (folder / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    return Path(_PICTURES.name)


def _pictures(config: Config) -> tuple[Any, Any]:
    train, validation = keras.utils.image_dataset_from_directory(
        picture_folder(), validation_split=0.25, subset="both", seed=1337, image_size=(config["size"],) * 2,
        batch_size=8, verbose=False,
    )  # fmt: skip
    return train, validation


def pictures(config: Config) -> Dataset:
    """Folders of pictures at the config's size, augmented within the model."""
    train, validation = _pictures(config)
    return Dataset("pictures", train.prefetch(tf.data.AUTOTUNE), validation.prefetch(tf.data.AUTOTUNE))


def augmented_pictures(config: Config) -> Dataset:
    """Folders of pictures, augmented by a parallel map."""
    train, validation = _pictures(config)
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    train = train.map(lambda image, label: (augment(image, training=True), label), num_parallel_calls=2)
    return Dataset("pictures", train, validation)


def picture_model(config: Config) -> keras.Model:
    """Separable convolutions with residuals over augmented pictures."""
    inputs = keras.Input((config["size"], config["size"], 3))
    x = layers.RandomFlip("horizontal")(inputs) if config.get("augment", True) else inputs
    x = layers.Rescaling(1 / 255)(x)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same")(x))
    residual = layers.Conv2D(4, 1)(x)
    x = layers.add([layers.SeparableConv2D(4, 3, padding="same")(layers.Activation("relu")(x)), residual])
    x = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="acc")],
    )
    return model


def _people(rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(rows)
    people = {
        "age": rng.uniform(20, 80, rows).astype("float32"),
        "sex": rng.integers(0, 2, rows),
        "thal": rng.choice(["fixed", "normal", "reversible"], rows),
    }
    return people, (people["age"] > 50).astype("int64")


def _feature_space(config: Config) -> keras.utils.FeatureSpace:
    kinds = keras.utils.FeatureSpace
    return kinds(
        features={
            "age": kinds.float_discretized(num_bins=config["bins"]),
            "sex": kinds.integer_categorical(num_oov_indices=0),
            "thal": kinds.string_categorical(num_oov_indices=0),
        },
        crosses=[kinds.cross(feature_names=("sex", "age"), crossing_dim=8)],
        output_mode="concat",
    )


def features(config: Config) -> Dataset:
    """Rows of a table, encoded by a FeatureSpace whose bins are a parameter."""
    train, validation = (tf.data.Dataset.from_tensor_slices(_people(rows)) for rows in (60, 20))
    space = _feature_space(config)
    space.adapt(train.map(lambda x, _: x).batch(16))

    def encode(x: Any, y: Any) -> Any:
        return space(x), y

    return Dataset(
        "features",
        train.shuffle(60).batch(16).map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE),
        validation.batch(16).map(encode, num_parallel_calls=tf.data.AUTOTUNE),
        facts={"width": int(space.get_encoded_features().shape[-1])},
    )


def feature_model(config: Config) -> keras.Model:
    """A network that learns its width from the encoded rows."""
    model = keras.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def people() -> Dataset:
    """Rows of a table as dicts of raw values."""
    train, validation = (tf.data.Dataset.from_tensor_slices(_people(rows)) for rows in (60, 20))
    return Dataset("people", train.shuffle(60).batch(16), validation.batch(16))


def people_model(config: Config) -> keras.Model:
    """A network with the FeatureSpace, adapted here, as its first layer."""
    space = _feature_space(config)
    space.adapt(tf.data.Dataset.from_tensor_slices(_people(60)[0]).batch(16))
    encoded = space.get_encoded_features()
    outputs = layers.Dense(1, "sigmoid")(layers.Dense(8, "relu")(encoded))
    training = keras.Model(encoded, outputs)
    model = keras.Model(space.get_inputs(), training(encoded))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def reviews() -> Dataset:
    """Raw texts of unequal length, cleaned and vectorized by the pipeline with a vocabulary of its own."""
    rng = np.random.default_rng(0)
    words = np.array(["a", "great", "awful", "film", "plot", "<br />", "Bad!"])
    texts = [" ".join(rng.choice(words, rng.integers(3, 12))) for _ in range(64)]
    labels = np.array(["great" in text for text in texts], "float32")
    raw = tf.data.Dataset.from_tensor_slices((texts, labels))

    def clean(text: Any) -> Any:
        return tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")

    vectorize = layers.TextVectorization(max_tokens=50, output_mode="int", output_sequence_length=8, standardize=clean)
    vectorize.adapt(raw.map(lambda text, _: text).batch(16))

    def numbers(text: Any, label: Any) -> Any:
        return vectorize(tf.expand_dims(text, -1)), label

    train, validation = raw.take(48).shuffle(48), raw.skip(48)
    return Dataset(
        "reviews",
        train.batch(16).map(numbers).cache().prefetch(10),
        validation.batch(16).map(numbers).cache().prefetch(10),
    )


def review_model(config: Config) -> keras.Model:
    """Embedding and convolutions."""
    inputs = keras.Input((None,), dtype="int64")
    x = layers.Dropout(0.5)(layers.Embedding(50, 8)(inputs))
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, padding="valid", activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def ragged() -> Dataset:
    """Ragged rows of words, looked up in the model."""
    words = tf.ragged.constant([["red", "sun"], ["blue"], ["red"] * 4, ["green", "blue", "sun"]] * 10)
    labels = np.tile(np.array([1.0, 0.0, 1.0, 0.0], "float32"), 10)
    rows = tf.data.Dataset.from_tensor_slices((words, labels)).shuffle(40).batch(8)
    return Dataset("ragged", rows.map(lambda x, y: (x.to_tensor(shape=[None, 4]), y)))


def ragged_model(config: Config) -> keras.Model:
    """StringLookup and a mean of embeddings."""
    inputs = keras.Input((4,), dtype="string")
    numbers = layers.StringLookup(vocabulary=["red", "green", "blue", "sun"], mask_token="")(inputs)
    x = layers.GlobalAveragePooling1D()(layers.Embedding(6, 4, mask_zero=True)(numbers))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile("rmsprop", "binary_crossentropy")
    return model


def tickets() -> Dataset:
    """Several inputs and several outputs as dicts."""
    rng = np.random.default_rng(0)

    def rows(count: int) -> Any:
        title, body = rng.integers(0, 30, (count, 5)), rng.integers(0, 30, (count, 9))
        targets = {"priority": rng.random((count, 1)).astype("float32"), "department": rng.integers(0, 3, count)}
        return tf.data.Dataset.from_tensor_slices(({"title": title, "body": body}, targets))

    return Dataset("tickets", rows(48).shuffle(48).batch(16), rows(16).batch(16))


def ticket_model(config: Config) -> keras.Model:
    """Losses, weights and metrics by the name of the output."""
    title, body = keras.Input((None,), name="title"), keras.Input((None,), name="body")
    x = layers.concatenate([layers.LSTM(4)(layers.Embedding(30, 4)(part)) for part in (title, body)])
    outputs = {
        "priority": layers.Dense(1, name="priority")(x),
        "department": layers.Dense(3, name="department")(x),
    }
    model = keras.Model({"title": title, "body": body}, outputs)
    model.compile(
        keras.optimizers.RMSprop(1e-3),
        loss={
            "priority": keras.losses.BinaryCrossentropy(from_logits=True),
            "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": 0.2},
        metrics={"department": ["accuracy"]},
    )
    return model


def mixed_up() -> Dataset:
    """Two shuffled pipelines zipped and mixed by weights that the pipeline draws."""
    rng = np.random.default_rng(0)
    x = rng.random((48, 6)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, 48)]

    def shuffled() -> Any:
        return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(48).batch(16)

    def mix(one: Any, two: Any) -> Any:
        part = tf.random.uniform([])
        return tuple(a * part + b * (1 - part) for a, b in zip(one, two, strict=True))

    return Dataset("mixed", tf.data.Dataset.zip((shuffled(), shuffled())).map(mix), Split(x, y))


def softmax_model(config: Config) -> keras.Model:
    """A classifier with a schedule of its own, warm-up included."""
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
    """A student that learns from a teacher, with arguments of its own for compile."""

    def __init__(self, student: keras.Model, teacher: keras.Model) -> None:
        super().__init__()
        self.teacher, self.student = teacher, student

    def compile(  # type: ignore[override]
        self, optimizer: Any, metrics: Any, student_loss_fn: Any, distillation_loss_fn: Any, alpha: float
    ) -> None:
        """Losses of both, and their weight."""
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
        """What the student says."""
        return self.student(x)


def distilled(config: Config) -> keras.Model:
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


def fraud_model(config: Config) -> keras.Model:
    """A classifier of rare rows, with the metrics that count."""
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")])
    model.compile(
        keras.optimizers.Adam(1e-2),
        "binary_crossentropy",
        metrics=[keras.metrics.FalseNegatives(name="fn"), keras.metrics.Precision(name="precision")],
    )
    return model


def transcribed() -> Dataset:
    """Inputs and labels in one dict, because a layer of the model computes the loss."""
    rng = np.random.default_rng(0)
    rows = {
        "image": rng.random((32, 8, 4)).astype("float32"),
        "label": rng.integers(1, 5, (32, 3)).astype("float32"),
    }
    data = tf.data.Dataset.from_tensor_slices(rows)
    return Dataset("transcribed", data.shuffle(32).batch(8), data.take(8).batch(8))


class AddedLoss(layers.Layer):
    """Computes a loss from labels that are inputs."""

    def call(self, labels: Any, predicted: Any) -> Any:
        """Add the loss, and pass on what was predicted."""
        self.add_loss(keras.ops.mean(keras.ops.square(keras.ops.mean(predicted, -1)[:, :3] - labels / 5)))
        return predicted


def transcribing(config: Config) -> keras.Model:
    """A recurrent model whose loss is a layer."""
    image, label = keras.Input((8, 4), name="image"), keras.Input((3,), name="label")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.25))(image)
    model = keras.Model([image, label], AddedLoss()(label, layers.Dense(5, "softmax")(x)))
    model.compile(keras.optimizers.Adam())
    return model


class Diffusion(keras.Model):
    """A denoiser with a copy of averaged weights, a normaliser, and steps of its own."""

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


def diffusion(config: Config) -> keras.Model:
    """A denoiser whose normaliser is adapted here."""
    model = Diffusion()
    model.normalizer.adapt(images_alone().validation)
    model.compile(optimizer=keras.optimizers.AdamW(0.01), loss=keras.losses.mean_absolute_error)
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


def siamese(config: Config) -> keras.Model:
    """A network for triplets."""
    model = Siamese(keras.Sequential([layers.Input((6,)), layers.Dense(4, "relu"), layers.Dense(3)]))
    model.compile(optimizer=keras.optimizers.Adam(0.01), weighted_metrics=[])
    return model


def padded() -> Dataset:
    """Sequences of unequal length from a generator within the pipeline, padded."""

    def sentences() -> Iterator[Any]:
        rng = np.random.default_rng(0)
        for _ in range(40):
            length = rng.integers(2, 9)
            yield rng.integers(1, 20, length), rng.integers(0, 3, length)

    spec = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int64))
    rows = tf.data.Dataset.from_generator(sentences, output_signature=spec)
    return Dataset("sentences", rows.padded_batch(8), rows.take(8).padded_batch(8))


def tagger(config: Config) -> keras.Model:
    """Attention over padded sequences, with a masked loss of its own."""

    def masked(y: Any, predicted: Any) -> Any:
        loss = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
        mask = keras.ops.cast(y > 0, "float32")
        return keras.ops.sum(loss * mask) / (keras.ops.sum(mask) + 1)

    inputs = keras.Input((None,), dtype="int64")
    x = layers.Embedding(20, 8)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile("adam", masked)
    return model


def images_and_monitor(config: Config) -> list[Any]:
    """Callbacks as examples have them: files, a plateau, an early end, and one that predicts."""
    return [
        keras.callbacks.ModelCheckpoint("save_at_{epoch}.keras"),
        keras.callbacks.ModelCheckpoint("best.weights.h5", monitor="val_loss", save_weights_only=True, verbose=0),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=9),
    ]


EXAMPLES: dict[str, Program] = {
    "weather": Program(weather, weather_model, config={"past": 12}),
    "pictures": Program(pictures, picture_model, config={"size": 12}),
    "pictures, augmented in parallel": Program(
        augmented_pictures, picture_model, inexact="parallel map", config={"size": 12, "augment": False}
    ),
    "FeatureSpace": Program(features, feature_model, config={"bins": 5}),
    "FeatureSpace in the model": Program(people, people_model, config={"bins": 5}),
    "reviews": Program(reviews, review_model, inexact="a cache of what was shuffled"),
    "ragged lookup": Program(ragged, ragged_model, objective="loss"),
    "several outputs": Program(tickets, ticket_model),
    "mix-up": Program(mixed_up, softmax_model),
    "distillation": Program(labelled, distilled),
    "class weights": Program(labelled, fraud_model, fields={"fit": Fit(class_weight={0: 0.2, 1: 4.0})}),
    "loss in a layer": Program(transcribed, transcribing),
    "diffusion": Program(images_alone, diffusion, objective="val_n_loss"),
    "triplets": Program(triplets, siamese),
    "padded sequences": Program(padded, tagger, inexact="Python code"),
    "callbacks": Program(labelled, fraud_model, fields={"callbacks": images_and_monitor}),
}
"""By name."""
