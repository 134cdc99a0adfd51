"""The studies whose learning curves are recorded: the space of each, and which side of the split it is on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform

EPOCHS = 32
"""Each recorded config was trained for this many epochs."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study whose curves are recorded."""

    split: Literal["development", "judging"]
    space: Mapping[str, Any]


_SCHEDULE = Switch(
    {
        "constant": {},
        "cosine": {},
        "step": {"drop_at": Uniform(0.2, 0.9), "drop_factor": LogUniform(0.02, 0.5)},
        "warmup": {"warmup": Uniform(0.05, 0.6)},
    }
)

STUDIES: Mapping[str, Study] = {
    "digits-network": Study("development", {
        "lr": LogUniform(1e-3, 1.0), "momentum": Uniform(0.0, 0.98), "layers": IntUniform(1, 3),
        "width": IntUniform(8, 64, log=True), "l2": LogUniform(1e-6, 1e-2),
        "activation": Choice(["relu", "tanh", "sigmoid"]),
    }),
    "cancer-network": Study("development", {
        "lr": LogUniform(1e-4, 0.1), "width": IntUniform(4, 64, log=True), "dropout": Uniform(0.0, 0.7),
        "l2": LogUniform(1e-6, 0.1), "optimizer": Choice(["sgd", "adam"]),
    }),
    "diabetes-boosting": Study("development", {
        "lr": LogUniform(5e-3, 1.0), "depth": IntUniform(1, 8), "leaf": IntUniform(1, 40, log=True),
        "rows": Uniform(0.1, 1.0),
    }),
    "beale-noise": Study("development", {"lr": LogUniform(1e-4, 1.0), "momentum": Uniform(0.0, 0.99)}),
    "spirals-network": Study("development", {
        "lr": LogUniform(1e-3, 0.3), "batch_size": IntUniform(8, 64, log=True), "width": IntUniform(8, 64, log=True),
        "layers": IntUniform(1, 3), "init_scale": LogUniform(0.2, 4.0), "momentum": Uniform(0.0, 0.98),
        "schedule": _SCHEDULE,
    }),
    "friedman-network": Study("development", {
        "lr": LogUniform(1e-4, 0.3), "batch_size": IntUniform(8, 128, log=True), "width": IntUniform(4, 64, log=True),
        "layers": IntUniform(1, 3), "activation": Choice(["relu", "tanh", "sigmoid"]),
        "optimizer": Choice(["sgd", "adam"]), "momentum": Uniform(0.5, 0.98), "l2": LogUniform(1e-6, 0.1),
        "dropout": Uniform(0.0, 0.6), "input_noise": Uniform(0.0, 0.5), "init_scale": LogUniform(0.3, 3.0),
        "clip": LogUniform(0.05, 10.0),
    }),
    "mnist-network": Study("judging", {
        "lr": LogUniform(1e-4, 0.5), "width": IntUniform(8, 48, log=True), "layers": IntUniform(1, 2),
        "momentum": Uniform(0.0, 0.98), "dropout": Uniform(0.0, 0.7), "smoothing": Uniform(0.0, 0.3),
        "batch_size": IntUniform(16, 128, log=True),
    }),
    "digits-features": Study("judging", {
        "lr": LogUniform(1e-2, 30.0), "gamma": LogUniform(0.02, 3.0), "features": IntUniform(16, 256, log=True),
        "l2": LogUniform(1e-7, 1e-2),
    }),
    "wine-schedules": Study("judging", {
        "lr": LogUniform(1e-4, 1.0), "width": IntUniform(2, 64, log=True), "batch_size": IntUniform(4, 64, log=True),
        "optimizer": Choice(["sgd", "adam"]), "l2": LogUniform(1e-6, 0.1), "schedule": _SCHEDULE,
    }),
    "cancer-boosting": Study("judging", {
        "lr": LogUniform(0.01, 2.0), "depth": IntUniform(1, 8), "leaf": IntUniform(1, 60, log=True),
        "rows": Uniform(0.1, 1.0), "columns": Uniform(0.1, 1.0),
    }),
    "himmelblau-noise": Study("judging", {
        "lr": LogUniform(1e-5, 0.3), "momentum": Uniform(0.0, 0.99), "clip": LogUniform(0.1, 100.0),
    }),
    "rings-late": Study("judging", {
        "lr": LogUniform(1e-3, 1.0), "width": IntUniform(4, 64, log=True), "layers": IntUniform(1, 3),
        "activation": Choice(["tanh", "sigmoid", "relu"]), "init_scale": LogUniform(0.05, 3.0),
        "l2": LogUniform(1e-6, 1e-1), "drop_at": Uniform(0.2, 0.95), "drop_factor": LogUniform(0.01, 0.5),
        "schedule": "step",
    }),
    "classes-network": Study("judging", {
        "lr": LogUniform(1e-4, 0.5), "batch_size": IntUniform(8, 128, log=True), "width": IntUniform(4, 64, log=True),
        "layers": IntUniform(1, 3), "activation": Choice(["relu", "tanh", "sigmoid"]),
        "optimizer": Choice(["sgd", "adam"]), "momentum": Uniform(0.0, 0.98), "l2": LogUniform(1e-6, 0.1),
        "dropout": Uniform(0.0, 0.6), "smoothing": Uniform(0.0, 0.3), "init_scale": LogUniform(0.2, 4.0),
        "input_noise": Uniform(0.0, 1.0),
    }),
    "digits-autoencoder": Study("judging", {
        "lr": LogUniform(1e-3, 3.0), "width": IntUniform(2, 32, log=True),
        "activation": Choice(["relu", "tanh", "sigmoid"]), "momentum": Uniform(0.0, 0.98),
        "init_scale": LogUniform(0.1, 3.0), "batch_size": IntUniform(8, 64, log=True),
    }),
}  # fmt: skip
"""Every study by its table's name."""
