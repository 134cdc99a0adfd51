"""Sums of tensors that are repeatable to the last digit.

TensorFlow's AddN writes its sum into the buffer of an operand that no other operation needs, and begins the
sum with that operand. With three or more operands, the order of the sum, and so its last digit, depends on which other
readers of the operands ran first. AddN sums the gradients of a tensor that is used several times, and TensorFlow's
arithmetic optimiser turns a tree of additions into one AddN. Here such sums stay additions of two operands.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import tensorflow as tf

from pipeline.training.internals import replaced_add_n


@contextmanager
def ordered_sums() -> Iterator[None]:
    """Within the context, traced functions sum tensors in the given order."""
    with replaced_add_n(_in_order):
        yield


def _in_order(add_n: Callable[..., Any]) -> Callable[..., Any]:
    def add(inputs: Sequence[Any], name: str | None = None) -> Any:
        # Variants (lists of tensors, in the gradients of loops) can only be summed by AddN, which keeps their order.
        if len(inputs) < 3 or tf.convert_to_tensor(inputs[0]).dtype == tf.variant:
            return add_n(inputs, name=name)
        return reduce(lambda left, right: tf.raw_ops.AddV2(x=left, y=right), inputs)

    return add
