"""Float hyperparameters that a graph reads from variables, so that trials with other values share one trace.

Keras puts momentum, betas, dropout rates, L1 and L2 into a graph as constants. A SymbolicFloat is that float in Python
code, but TensorFlow converts it to a tensor that is read from a variable. Uses that a graph cannot follow (a comparison
with a number other than 0 and 1, a Python function) are recorded: such a number is a constant of that graph.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras import layers, optimizers, regularizers
from keras.optimizers import schedules

from pipeline.training.internals import layers_of, learning_rate_of

# Each was shown to give the same result, to the last digit, as a constant and as a variable; see the tests.
_NUMBERS: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D), ("rate",)),
    layers.GaussianNoise: ("stddev",),
    layers.BatchNormalization: ("momentum",),
    **dict.fromkeys((regularizers.L1, regularizers.L2, regularizers.L1L2), ("l1", "l2")),
    **dict.fromkeys(
        (
            *(optimizers.SGD, optimizers.RMSprop, optimizers.Adam, optimizers.AdamW, optimizers.Adamax),
            *(optimizers.Nadam, optimizers.Adagrad, optimizers.Adadelta, optimizers.Lion),
        ),
        (
            *("momentum", "rho", "beta_1", "beta_2"),
            *("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "ema_momentum"),
        ),
    ),
    **dict.fromkeys(
        (schedules.ExponentialDecay, schedules.PolynomialDecay, schedules.CosineDecay),
        ("initial_learning_rate", "decay_rate", "end_learning_rate", "power", "alpha"),
    ),
}


class SymbolicFloat(float):
    """A float whose tensor is read from a variable."""

    # Keras asks what it computes with for its dtype, and otherwise takes the type of a plain number.
    dtype = float

    def __new__(
        cls, value: float, read: Callable[[], Any], escape: Callable[[], object], *, known: bool = True
    ) -> "SymbolicFloat":
        number: SymbolicFloat = float.__new__(cls, value)
        number.read, number.escape, number.known = read, escape, known
        return number

    read: Callable[[], Any]
    escape: Callable[[], object]
    known: bool

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.cast(self.read(), dtype or tf.float32, name=name)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float.__add__(self, 0.0),)

    def __deepcopy__(self, memo: Any) -> float:
        return float.__add__(self, 0.0)

    def __bool__(self) -> bool:
        if not self.known:
            self.escape()
        return float.__bool__(self)

    __hash__ = float.__hash__


def _arithmetic(name: str, operation: Callable[[Any, Any], Any], *, swapped: bool) -> Any:
    plain = getattr(float, name)

    def operate(self: SymbolicFloat, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        if isinstance(other, SymbolicFloat):
            self.escape()
            other.escape()
            return plain(self, other)

        def read() -> Any:
            # In float64, as Python computes it, and only then to the tensor's own type.
            right = tf.constant(other, tf.float64)
            return operation(right, self.read()) if swapped else operation(self.read(), right)

        return SymbolicFloat(plain(self, other), read, self.escape, known=False)

    return operate


def _escaping(name: str, *, compares: bool = False) -> Any:
    plain = getattr(float, name)

    def operate(self: SymbolicFloat, *others: Any) -> Any:
        in_key = compares and self.known and type(others[0]) in (int, float) and others[0] in (0, 1)
        if not in_key and (not others or isinstance(others[0], int | float)):
            self.escape()
        return plain(self, *others)

    return operate


for _name, _operation in (("add", tf.add), ("sub", tf.subtract), ("mul", tf.multiply), ("truediv", tf.divide)):
    setattr(SymbolicFloat, f"__{_name}__", _arithmetic(f"__{_name}__", _operation, swapped=False))
    setattr(SymbolicFloat, f"__r{_name}__", _arithmetic(f"__r{_name}__", _operation, swapped=True))
for _name in ("pow", "rpow", "floordiv", "rfloordiv", "mod", "rmod", "divmod", "rdivmod"):
    setattr(SymbolicFloat, f"__{_name}__", _escaping(f"__{_name}__"))
for _name in ("abs", "neg", "pos", "float", "int", "round", "trunc", "floor", "ceil"):
    setattr(SymbolicFloat, f"__{_name}__", _escaping(f"__{_name}__"))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(SymbolicFloat, f"__{_name}__", _escaping(f"__{_name}__", compares=True))


class FloatAttribute:
    """The attribute that holds a number: of a layer, a regulariser, the optimiser or its schedule."""

    def __init__(self, path: str, owner: Any, attribute: str) -> None:
        self.path, self.owner, self.attribute = path, owner, attribute
        self.variable: Any = None
        self.escaped = False

    @property
    def value(self) -> float:
        held = vars(self.owner)[self.attribute]
        return float.__add__(held, 0.0) if isinstance(held, SymbolicFloat) else float(held)

    @property
    def is_free(self) -> bool:
        """Whether graphs read the number from a variable, which `assign` changes."""
        return isinstance(vars(self.owner)[self.attribute], SymbolicFloat)

    @property
    def sign(self) -> tuple[bool, bool, bool, bool]:
        """How the number compares with 0 and 1, because graphs may branch on that."""
        return self.value > 0, self.value == 0, self.value < 1, self.value == 1

    def free(self) -> None:
        """Let graphs that are traced from now on read the number from a variable."""
        with tf.init_scope():
            self.variable = tf.Variable(self.value, dtype=tf.float64, trainable=False)
        self._hold(self.value)

    def assign(self, value: float) -> None:
        self.variable.assign(value)
        self._hold(value)

    def _hold(self, value: float) -> None:
        vars(self.owner)[self.attribute] = SymbolicFloat(value, self.variable.read_value, self._escape)

    def _escape(self) -> None:
        self.escaped = True


def float_attributes(model: keras.Model) -> list[FloatAttribute]:
    return [*_of_layers(model), *_of_optimizer(model.optimizer)]


@contextmanager
def masked(places: list[FloatAttribute]) -> Iterator[None]:
    """Within the context, every number is 0.5, so that a description of the model does not depend on it."""
    held = [vars(place.owner)[place.attribute] for place in places]
    try:
        for place in places:
            vars(place.owner)[place.attribute] = 0.5
        yield
    finally:
        for place, value in zip(places, held, strict=True):
            vars(place.owner)[place.attribute] = value


def _of_layers(model: keras.Model) -> Iterator[FloatAttribute]:
    seen: set[int] = set()
    for index, layer in enumerate(layers_of(model)):
        yield from _of(f"layer{index}", layer)
        for name, value in vars(layer).items():
            # One regulariser may serve several layers.
            if isinstance(value, keras.regularizers.Regularizer) and id(value) not in seen:
                seen.add(id(value))
                yield from _of(f"layer{index}.{name}", value)


def _of_optimizer(optimizer: Any) -> Iterator[FloatAttribute]:
    yield from _of("optimizer", optimizer)
    yield from _of("optimizer.schedule", learning_rate_of(optimizer))
    if inner := getattr(optimizer, "inner_optimizer", None):
        yield from _of("optimizer.inner", inner)


def _of(path: str, owner: Any) -> Iterator[FloatAttribute]:
    for name in _NUMBERS.get(type(owner), ()):
        value = vars(owner).get(name)
        if type(value) in (float, SymbolicFloat) or (tf.is_tensor(value) and value.shape.rank == 0):
            yield FloatAttribute(f"{path}.{name}", owner, name)
