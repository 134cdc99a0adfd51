"""Small networks in NumPy: what most of the recorded studies train, since no start-up is paid for each config."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Problem:
    """What a network learns."""

    x: np.ndarray
    y: np.ndarray
    held: np.ndarray
    truth: np.ndarray
    classes: bool
    metric: str


def train(problem: Problem, config: Mapping[str, Any], rng: np.random.Generator, epochs: int) -> Iterator[float]:
    """Train a network, and report its validation metric after each epoch."""
    sizes = [problem.x.shape[1], *[int(config.get("width", 32))] * int(config.get("layers", 1)), problem.y.shape[1]]
    scale = float(config.get("init_scale", 1.0))
    weights = [rng.normal(size=(a, b)) * scale * np.sqrt(2.0 / (a + b)) for a, b in pairwise(sizes)]
    parameters = [*weights, *[np.zeros(b) for b in sizes[1:]]]
    step = _Step(parameters, config)
    batch, rows = int(config.get("batch_size", 32)), len(problem.x)
    steps = -(-rows // batch)
    smoothing = float(config.get("smoothing", 0.0)) if problem.classes else 0.0
    y = problem.y * (1 - smoothing) + smoothing / problem.y.shape[1]
    for epoch in range(epochs):
        order = rng.permutation(rows)
        for at in range(steps):
            chosen = order[at * batch : (at + 1) * batch]
            x = problem.x[chosen]
            if noise := config.get("input_noise", 0.0):
                x = x + noise * rng.normal(size=x.shape)
            slopes = _slopes(parameters, x, y[chosen], config, problem.classes, rng)
            step(slopes, _rate(config, (epoch + at / steps) / epochs))
        yield _measured(problem, parameters, config)


def _rate(config: Mapping[str, Any], done: float) -> float:
    """The learning rate when a share of the training is done."""
    rate = float(config["lr"])
    match config.get("schedule", "constant"):
        case "cosine":
            rate *= 0.5 * (1 + np.cos(np.pi * done))
        case "step":
            rate *= config["drop_factor"] if done >= config["drop_at"] else 1.0
        case "warmup":
            rate *= min(1.0, (done + 0.01) / config["warmup"])
    return rate


class _Step:
    def __init__(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> None:
        self._parameters, self._config = parameters, config
        self._first = [np.zeros_like(one) for one in parameters]
        self._second = [np.zeros_like(one) for one in parameters]
        self._count = 0

    def __call__(self, slopes: list[np.ndarray], rate: float) -> None:
        config = self._config
        momentum, beta2 = float(config.get("momentum", 0.9)), float(config.get("beta2", 0.999))
        self._count += 1
        if (most := config.get("clip")) is not None:
            norm = float(np.sqrt(sum(float((slope * slope).sum()) for slope in slopes)))
            slopes = [slope * min(1.0, most / (norm + 1e-12)) for slope in slopes]
        for at, (one, slope) in enumerate(zip(self._parameters, slopes, strict=True)):
            if one.ndim == 2 and (l2 := config.get("l2", 0.0)):
                slope = slope + l2 * one
            if config.get("optimizer", "sgd") == "adam":
                self._first[at] = momentum * self._first[at] + (1 - momentum) * slope
                self._second[at] = beta2 * self._second[at] + (1 - beta2) * slope * slope
                first = self._first[at] / (1 - momentum**self._count)
                second = self._second[at] / (1 - beta2**self._count)
                one -= rate * first / (np.sqrt(second) + 1e-7)
            else:
                self._first[at] = momentum * self._first[at] + slope
                one -= rate * self._first[at]


def _activate(z: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The activation and its slope."""
    if kind == "tanh":
        a = np.tanh(z)
        return a, 1 - a * a
    if kind == "sigmoid":
        a = 0.5 * (1 + np.tanh(0.5 * z))
        return a, a * (1 - a)
    return np.maximum(z, 0.0), (z > 0).astype(z.dtype)


def _forward(parameters: list[np.ndarray], x: np.ndarray, kind: str) -> np.ndarray:
    count = len(parameters) // 2
    for at in range(count):
        x = x @ parameters[at] + parameters[count + at]
        if at + 1 < count:
            x = _activate(x, kind)[0]
    return x


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _slopes(
    parameters: list[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    config: Mapping[str, Any],
    classes: bool,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    count, kind, dropout = len(parameters) // 2, config.get("activation", "relu"), float(config.get("dropout", 0.0))
    inputs, gates = [x], []
    for at in range(count - 1):
        a, gate = _activate(inputs[-1] @ parameters[at] + parameters[count + at], kind)
        if dropout:
            mask = (rng.random(a.shape) >= dropout) / (1 - dropout)
            a, gate = a * mask, gate * mask
        inputs.append(a)
        gates.append(gate)
    out = inputs[-1] @ parameters[count - 1] + parameters[-1]
    delta = ((_softmax(out) if classes else out) - y) / len(x)
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    for at in reversed(range(count)):
        weights.insert(0, inputs[at].T @ delta)
        biases.insert(0, delta.sum(axis=0))
        if at:
            delta = (delta @ parameters[at].T) * gates[at - 1]
    return [*weights, *biases]


def _measured(problem: Problem, parameters: list[np.ndarray], config: Mapping[str, Any]) -> float:
    out = _forward(parameters, problem.held, config.get("activation", "relu"))
    if not np.isfinite(out).all():
        return 1.0 if problem.metric == "error" else _LARGEST
    if problem.metric == "error":
        return float((out.argmax(axis=1) != problem.truth.argmax(axis=1)).mean())
    if problem.metric == "cross_entropy":
        return float(min(-(problem.truth * np.log(_softmax(out) + 1e-12)).sum(axis=1).mean(), _LARGEST))
    return float(min(np.sqrt(((out - problem.truth) ** 2).mean()), _LARGEST))
