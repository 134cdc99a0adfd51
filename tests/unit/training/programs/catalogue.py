"""Keras programs whose data are pipelines, by name."""

from pipeline.study import Fit
from tests.unit.training.programs.classifiers import (
    distilled,
    fraud_model,
    images_and_monitor,
    labelled,
    mixed_up,
    siamese,
    softmax_model,
    triplets,
)
from tests.unit.training.programs.generative import (
    autoencoder,
    contrastive,
    diffusion,
    gan,
    half_labelled,
    images_alone,
    vae,
)
from tests.unit.training.programs.images import (
    augmented_images,
    augmented_pictures,
    convolutional,
    noisy_images,
    parallel_images,
    picture_model,
    pictures,
)
from tests.unit.training.programs.program import Program
from tests.unit.training.programs.rows import (
    dense,
    generators,
    py_dataset,
    repeated,
    shuffled,
    shuffled_of_unknown_length,
    shuffled_py_dataset,
    without_targets,
)
from tests.unit.training.programs.sequences import (
    forecasting,
    padded,
    series,
    tagger,
    transcribed,
    transcribing,
    weather,
    weather_model,
)
from tests.unit.training.programs.tables import feature_model, features, people, people_model
from tests.unit.training.programs.texts import (
    embedding,
    ragged,
    ragged_model,
    ragged_words,
    reading,
    review_model,
    reviews,
    texts,
    ticket_model,
    tickets,
)

PROGRAMS: dict[str, Program] = {
    "shuffled rows": Program(shuffled, dense),
    "unknown length": Program(shuffled_of_unknown_length, dense),
    "repeated": Program(repeated, dense),
    "augmented images": Program(augmented_images, convolutional),
    "noisy images": Program(noisy_images, convolutional),
    "parallel images": Program(parallel_images, convolutional, inexact="deterministic=False"),
    "texts": Program(texts, reading),
    "ragged words": Program(ragged_words, embedding),
    "time series": Program(series, forecasting),
    "PyDataset": Program(py_dataset, dense),
    "PyDataset with state": Program(shuffled_py_dataset, dense, inexact="on_epoch_end"),
    "generator": Program(generators, dense, inexact="generator function"),
    "autoencoder": Program(without_targets, autoencoder, objective="loss"),
    "VAE": Program(without_targets, vae, objective="loss"),
    "GAN": Program(without_targets, gan, objective="g_loss"),
}
"""Programs with each kind of data that is read while a model trains."""

EXAMPLES: dict[str, Program] = {
    "weather": Program(weather, weather_model, config={"past": 12}),
    "pictures": Program(pictures, picture_model, config={"size": 12}),
    "pictures, augmented in parallel": Program(
        augmented_pictures, picture_model, inexact="parallel map", config={"size": 12, "augment": False}
    ),
    "FeatureSpace": Program(features, feature_model, config={"bins": 5}),
    "FeatureSpace in the model": Program(people, people_model, config={"bins": 5}),
    "reviews": Program(reviews, review_model, inexact="a cache after a shuffle"),
    "ragged lookup": Program(ragged, ragged_model, objective="loss"),
    "several outputs": Program(tickets, ticket_model),
    "mix-up": Program(mixed_up, softmax_model),
    "distillation": Program(labelled, distilled),
    "class weights": Program(labelled, fraud_model, fields={"fit": Fit(class_weight={0: 0.2, 1: 4.0})}),
    "loss in a layer": Program(transcribed, transcribing),
    "diffusion": Program(images_alone, diffusion, objective="val_n_loss"),
    "contrastive, parts without Input": Program(half_labelled, contrastive, objective="val_p_acc"),
    "triplets": Program(triplets, siamese),
    "padded sequences": Program(padded, tagger, inexact="Python code"),
    "callbacks": Program(labelled, fraud_model, fields={"callbacks": images_and_monitor}),
}
"""Programs of the kinds that Keras' own examples have, rewritten for small synthetic data."""
