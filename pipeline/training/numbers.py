"""Hyperparameters that are plain floats, made into variables: a traced epoch then serves trials that differ in them.

Keras bakes momentum, betas, dropout rates, L1 and L2 into the graph as constants. A Number is still a float, for
everything that looks at it, but where TensorFlow asks for a tensor it gives the value of its variable.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__ = ["Number", "Place", "numbers_of"]


class Number(float):
    """A float whose tensor is read from a variable, and what is computed from it by plain arithmetic."""

    # Keras asks what it computes with for its dtype, and takes the type of a plain number for want of one.
    dtype = float
    _read: Callable[[], Any]

    def __new__(cls, value: float, read: Callable[[], Any]) -> "Number":
        number = super().__new__(cls, value)
        number._read = read
        return number

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.cast(self._read(), dtype or tf.float32)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)

    def __deepcopy__(self, memo: Any) -> float:
        return float(self)


def _operator(name: str) -> Callable[[Number, Any], Any]:
    plain = getattr(float, name)

    def operate(self: Number, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        read = other._read if isinstance(other, Number) else lambda: tf.constant(other, tf.float64)
        # In float64, as Python would have computed it, and only then to the tensor's own type.
        return Number(plain(float(self), float(other)), lambda: plain_tensor(self._read(), read()))

    tensor_operator = getattr(tf.Tensor, name)

    def plain_tensor(a: Any, b: Any) -> Any:
        return tensor_operator(tf.convert_to_tensor(a), tf.convert_to_tensor(b))

    return operate


for _name in ("add", "sub", "mul", "truediv", "pow"):
    for _prefix in ("__", "__r"):
        setattr(Number, f"{_prefix}{_name}__", _operator(f"{_prefix}{_name}__"))
Number.__neg__ = lambda self: 0.0 - self  # type: ignore[method-assign]


class Place:
    """Where a number stands: an attribute of a layer, of its regulariser, or of the optimiser.

    Args:
        path: Names it within the model, the same for every model of that architecture.
        owner: The object whose attribute it is.
        attribute: The attribute's name.
    """

    __slots__ = ("attribute", "owner", "path", "variable")

    def __init__(self, path: str, owner: Any, attribute: str) -> None:
        self.path, self.owner, self.attribute = path, owner, attribute
        self.variable: Any = None

    @property
    def value(self) -> float:
        """The number."""
        return float(vars(self.owner)[self.attribute])

    def replace(self) -> None:
        """Put a Number in its place."""
        value = self.value
        with tf.device("cpu"):
            self.variable = tf.Variable(value, dtype=tf.float64, trainable=False)
        vars(self.owner)[self.attribute] = Number(value, self.variable.read_value)

    def put_back(self) -> None:
        """Put the plain float back."""
        vars(self.owner)[self.attribute] = float(vars(self.owner)[self.attribute])


def numbers_of(model: keras.Model) -> list[Place]:
    """Every float that a layer, a regulariser or the optimiser keeps as an attribute that its config names."""
    return [*_of_layers(model), *_of("optimizer", model.optimizer)]


def _of_layers(model: keras.Model) -> Iterator[Place]:
    for index, layer in enumerate(model._flatten_layers(include_self=False)):
        yield from _of(f"layer{index}", layer)
        for name, value in vars(layer).items():
            if isinstance(value, keras.regularizers.Regularizer):
                yield from _of(f"layer{index}.{name}", value)


def _of(path: str, owner: Any) -> Iterator[Place]:
    config = owner.get_config()
    for name, value in vars(owner).items():
        if type(value) is float and type(config.get(name)) is float:
            yield Place(f"{path}.{name}", owner, name)
