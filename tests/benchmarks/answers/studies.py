"""The studies whose learning curves are recorded: what each trains, its space, and which side of the split it is on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from pipeline.space import Choice, Config, IntUniform, LogUniform, Switch, Uniform
from tests.benchmarks.answers.network import Problem, train
from tune_jobs.surfaces import SURFACES

EPOCHS = 32
"""Each config is trained for this many epochs."""

Learner = Callable[[Config, np.random.Generator], Iterator[float]]


@dataclass(frozen=True, slots=True)
class Study:
    """A study to be recorded."""

    split: Literal["development", "judging"]
    space: Mapping[str, Any]
    configs: int
    learns: Learner


def _scaled(x: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    return scaled


def _split(x: np.ndarray, y: np.ndarray, metric: str, classes: int | None, share: float = 0.7) -> Problem:
    order = np.random.default_rng(0).permutation(len(x))
    cut = int(share * len(x))
    targets = np.eye(classes)[y.astype(int)] if classes else y.reshape(len(y), -1)
    first, rest = order[:cut], order[cut:]
    return Problem(x[first], targets[first], x[rest], targets[rest], classes is not None, metric)


@cache
def _problem(name: str) -> Problem:
    from sklearn import datasets

    match name:
        case "digits":
            x, y = datasets.load_digits(return_X_y=True)
            return _split(x / 16.0, y, "error", 10)
        case "digits cross-entropy":
            x, y = datasets.load_digits(return_X_y=True)
            return _split(x[:900] / 16.0, y[:900], "cross_entropy", 10)
        case "digits autoencoder":
            x, _ = datasets.load_digits(return_X_y=True)
            return _split(x[:1000] / 16.0, x[:1000] / 16.0, "rmse", None)
        case "cancer":
            x, y = datasets.load_breast_cancer(return_X_y=True)
            return _split(_scaled(x), y, "cross_entropy", 2)
        case "wine":
            x, y = datasets.load_wine(return_X_y=True)
            return _split(_scaled(x), y, "cross_entropy", 3, 0.6)
        case "diabetes":
            x, y = datasets.load_diabetes(return_X_y=True)
            return _split(_scaled(x), _scaled(y), "rmse", None)
        case "friedman":
            x, y = datasets.make_friedman1(600, 10, noise=1.0, random_state=0)
            return _split(_scaled(x), _scaled(y), "rmse", None)
        case "friedman 2":
            x, y = datasets.make_friedman2(500, noise=50.0, random_state=1)
            return _split(_scaled(x), _scaled(y), "rmse", None)
        case "spirals":
            return _split(*_spirals(), "error", 2)
        case "rings":
            x, y = datasets.make_circles(500, noise=0.15, factor=0.5, random_state=0)
            return _split(np.hstack([_scaled(x), np.random.default_rng(1).normal(size=(500, 4))]), y, "error", 2)
        case "classes":
            x, y = datasets.make_classification(
                700, 20, n_informative=8, n_redundant=4, n_classes=4, random_state=0, flip_y=0.05
            )
            return _split(_scaled(x), y, "cross_entropy", 4)
        case "mnist":
            return _mnist()
    raise KeyError(name)


def _spirals() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    turn = np.sqrt(rng.random(600)) * 2.5 * np.pi
    side = rng.integers(2, size=600)
    at = np.stack([np.cos(turn + np.pi * side), np.sin(turn + np.pi * side)], axis=1) * turn[:, None]
    return _scaled(at + 0.3 * rng.normal(size=at.shape)), side


def _mnist() -> Problem:
    """2,000 of MNIST's images, each four pixels as one."""
    from pipeline.datasets.bundled import mnist

    data = mnist()
    assert data.validation is not None
    images = data.validation.x[:2000].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    return _split(images.astype(np.float64), data.validation.y[:2000].argmax(axis=1), "error", 10)


def network(name: str, config: Config, rng: np.random.Generator) -> Iterator[float]:
    yield from train(_problem(name), config, rng, EPOCHS)


def descent(name: str, noise: float, config: Config, rng: np.random.Generator) -> Iterator[float]:
    """Gradient descent on a surface, each slope with noise, a few steps an epoch."""
    surface = SURFACES[name]
    place, velocity = np.array(surface.start, float), np.zeros(2)
    for _ in range(EPOCHS):
        for _ in range(int(config.get("steps", 20))):
            slope = surface.gradient(place)
            slope = slope / max(1.0, float(np.hypot(*slope)) / float(config.get("clip", 1.0)))
            slope = slope + noise * rng.normal(size=2)
            velocity = config["momentum"] * velocity - config["lr"] * slope
            place = surface.within(place + velocity)
        yield float(surface.distance(place))


def boosting(name: str, config: Config, rng: np.random.Generator) -> Iterator[float]:
    """Gradient boosting of small trees, two an epoch."""
    from sklearn.tree import DecisionTreeRegressor

    problem = _problem(name)
    y, truth = problem.y, problem.truth
    if problem.classes:
        y, truth = problem.y[:, :1], problem.truth[:, :1]
    found, held = np.zeros_like(y), np.zeros_like(truth)
    for _ in range(EPOCHS):
        for _ in range(2):
            rest = y - (1 / (1 + np.exp(-found)) if problem.classes else found)
            rows = rng.random(len(y)) < config["rows"]
            rows[rng.integers(len(y), size=8)] = True
            tree = DecisionTreeRegressor(
                max_depth=int(config["depth"]),
                min_samples_leaf=int(config["leaf"]),
                max_features=float(config.get("columns", 1.0)),
                random_state=int(rng.integers(2**31)),
            ).fit(problem.x[rows], rest[rows])
            found = found + config["lr"] * tree.predict(problem.x)[:, None]
            held = held + config["lr"] * tree.predict(problem.held)[:, None]
        if problem.classes:
            chance = np.clip(1 / (1 + np.exp(-held)), 1e-12, 1 - 1e-12)
            yield float(-(truth * np.log(chance) + (1 - truth) * np.log(1 - chance)).mean())
        else:
            yield float(min(np.sqrt(((held - truth) ** 2).mean()), 1e6))


def _features(name: str, config: Config, rng: np.random.Generator) -> Iterator[float]:
    """Softmax regression on random Fourier features: a kernel machine by stochastic gradients."""
    problem = _problem(name)
    width = int(config["features"])
    turn = rng.normal(size=(problem.x.shape[1], width)) * config["gamma"]
    shift = rng.uniform(0, 2 * np.pi, width)
    x, held = (np.cos(rows @ turn + shift) * np.sqrt(2 / width) for rows in (problem.x, problem.held))
    seen = Problem(x, problem.y, held, problem.truth, problem.classes, problem.metric)
    yield from train(seen, {**config, "layers": 0, "batch_size": 32}, rng, EPOCHS)


_SCHEDULE = Switch(
    {
        "constant": {},
        "cosine": {},
        "step": {"drop_at": Uniform(0.2, 0.9), "drop_factor": LogUniform(0.02, 0.5)},
        "warmup": {"warmup": Uniform(0.05, 0.6)},
    }
)

STUDIES: dict[str, Study] = {
    "digits-network": Study(
        "development",
        {
            "lr": LogUniform(1e-3, 1.0),
            "momentum": Uniform(0.0, 0.98),
            "layers": IntUniform(1, 3),
            "width": IntUniform(8, 64, log=True),
            "l2": LogUniform(1e-6, 1e-2),
            "activation": Choice(["relu", "tanh", "sigmoid"]),
        },
        350,
        partial(network, "digits"),
    ),
    "cancer-network": Study(
        "development",
        {
            "lr": LogUniform(1e-4, 0.1),
            "width": IntUniform(4, 64, log=True),
            "dropout": Uniform(0.0, 0.7),
            "l2": LogUniform(1e-6, 0.1),
            "optimizer": Choice(["sgd", "adam"]),
        },
        400,
        partial(network, "cancer"),
    ),
    "diabetes-boosting": Study(
        "development",
        {
            "lr": LogUniform(5e-3, 1.0),
            "depth": IntUniform(1, 8),
            "leaf": IntUniform(1, 40, log=True),
            "rows": Uniform(0.1, 1.0),
        },
        300,
        partial(boosting, "diabetes"),
    ),
    "beale-noise": Study(
        "development",
        {"lr": LogUniform(1e-4, 1.0), "momentum": Uniform(0.0, 0.99)},
        400,
        partial(descent, "beale", 0.1),
    ),
    "spirals-network": Study(
        "development",
        {
            "lr": LogUniform(1e-3, 0.3),
            "batch_size": IntUniform(8, 64, log=True),
            "width": IntUniform(8, 64, log=True),
            "layers": IntUniform(1, 3),
            "init_scale": LogUniform(0.2, 4.0),
            "momentum": Uniform(0.0, 0.98),
            "schedule": _SCHEDULE,
        },
        600,
        partial(network, "spirals"),
    ),
    "friedman-network": Study(
        "development",
        {
            "lr": LogUniform(1e-4, 0.3),
            "batch_size": IntUniform(8, 128, log=True),
            "width": IntUniform(4, 64, log=True),
            "layers": IntUniform(1, 3),
            "activation": Choice(["relu", "tanh", "sigmoid"]),
            "optimizer": Choice(["sgd", "adam"]),
            "momentum": Uniform(0.5, 0.98),
            "l2": LogUniform(1e-6, 0.1),
            "dropout": Uniform(0.0, 0.6),
            "input_noise": Uniform(0.0, 0.5),
            "init_scale": LogUniform(0.3, 3.0),
            "clip": LogUniform(0.05, 10.0),
        },
        600,
        partial(network, "friedman"),
    ),
    "mnist-network": Study(
        "judging",
        {
            "lr": LogUniform(1e-4, 0.5),
            "width": IntUniform(8, 48, log=True),
            "layers": IntUniform(1, 2),
            "momentum": Uniform(0.0, 0.98),
            "dropout": Uniform(0.0, 0.7),
            "smoothing": Uniform(0.0, 0.3),
            "batch_size": IntUniform(16, 128, log=True),
        },
        250,
        partial(network, "mnist"),
    ),
    "digits-features": Study(
        "judging",
        {
            "lr": LogUniform(1e-2, 30.0),
            "gamma": LogUniform(0.02, 3.0),
            "features": IntUniform(16, 256, log=True),
            "l2": LogUniform(1e-7, 1e-2),
        },
        400,
        partial(_features, "digits cross-entropy"),
    ),
    "wine-schedules": Study(
        "judging",
        {
            "lr": LogUniform(1e-4, 1.0),
            "width": IntUniform(2, 64, log=True),
            "batch_size": IntUniform(4, 64, log=True),
            "optimizer": Choice(["sgd", "adam"]),
            "l2": LogUniform(1e-6, 0.1),
            "schedule": _SCHEDULE,
        },
        400,
        partial(network, "wine"),
    ),
    "cancer-boosting": Study(
        "judging",
        {
            "lr": LogUniform(0.01, 2.0),
            "depth": IntUniform(1, 8),
            "leaf": IntUniform(1, 60, log=True),
            "rows": Uniform(0.1, 1.0),
            "columns": Uniform(0.1, 1.0),
        },
        300,
        partial(boosting, "cancer"),
    ),
    "himmelblau-noise": Study(
        "judging",
        {
            "lr": LogUniform(1e-5, 0.3),
            "momentum": Uniform(0.0, 0.99),
            "clip": LogUniform(0.1, 100.0),
        },
        400,
        partial(descent, "himmelblau", 0.3),
    ),
    "rings-late": Study(
        "judging",
        {
            "lr": LogUniform(1e-3, 1.0),
            "width": IntUniform(4, 64, log=True),
            "layers": IntUniform(1, 3),
            "activation": Choice(["tanh", "sigmoid", "relu"]),
            "init_scale": LogUniform(0.05, 3.0),
            "l2": LogUniform(1e-6, 1e-1),
            "drop_at": Uniform(0.2, 0.95),
            "drop_factor": LogUniform(0.01, 0.5),
            "schedule": "step",
        },
        400,
        partial(network, "rings"),
    ),
    "classes-network": Study(
        "judging",
        {
            "lr": LogUniform(1e-4, 0.5),
            "batch_size": IntUniform(8, 128, log=True),
            "width": IntUniform(4, 64, log=True),
            "layers": IntUniform(1, 3),
            "activation": Choice(["relu", "tanh", "sigmoid"]),
            "optimizer": Choice(["sgd", "adam"]),
            "momentum": Uniform(0.0, 0.98),
            "l2": LogUniform(1e-6, 0.1),
            "dropout": Uniform(0.0, 0.6),
            "smoothing": Uniform(0.0, 0.3),
            "init_scale": LogUniform(0.2, 4.0),
            "input_noise": Uniform(0.0, 1.0),
        },
        600,
        partial(network, "classes"),
    ),
    "digits-autoencoder": Study(
        "judging",
        {
            "lr": LogUniform(1e-3, 3.0),
            "width": IntUniform(2, 32, log=True),
            "activation": Choice(["relu", "tanh", "sigmoid"]),
            "momentum": Uniform(0.0, 0.98),
            "init_scale": LogUniform(0.1, 3.0),
            "batch_size": IntUniform(8, 64, log=True),
        },
        400,
        partial(network, "digits autoencoder"),
    ),
}
"""Every study by its table's name."""
