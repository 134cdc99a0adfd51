"""Graphs of TensorFlow: captured variables, options, and sums of tensors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from pipeline.missing_names import warn_once


def captured_variables(graph: Any) -> list[Any] | None:
    """The variables that a graph reads, in the order in which it captured them."""
    try:
        handles = {id(variable.handle): variable for variable in graph.variables}
        return [handles[id(outside)] for outside, _ in graph.captures if id(outside) in handles]
    except AttributeError:
        warn_once("TensorFlow", "FuncGraph.captures", "each trial is traced again, which is slower")
        return None


def traced_functions(function: Any) -> list[Any]:
    """The concrete functions that a tf.function has traced so far."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    traced = []
    for each in (function, *cells):
        listed = getattr(each, "_list_all_concrete_functions", None)
        if listed is not None:
            traced += listed()
        elif hasattr(each, "experimental_get_tracing_count"):
            warn_once("TensorFlow", "Function._list_all_concrete_functions", "draws with tf.random are not noticed")
    return traced


def keep_additions() -> None:
    """Keep TensorFlow from turning additions into AddN, in every graph of this process from now on."""
    try:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    except (AttributeError, ValueError):
        warn_once("TensorFlow", "arithmetic_optimization", "two runs of a trial may differ in the last digit")


def graph_options() -> dict[str, Any] | None:
    """The options for graphs that were set in this process; None if TensorFlow no longer keeps them."""
    try:
        from tensorflow.python.eager import context

        return dict(context.context()._optimizer_experimental_options)
    except (ImportError, AttributeError):
        warn_once("TensorFlow", "_optimizer_experimental_options", "arithmetic_optimization stays off after a study")
        return None


def restore_graph_options(options: dict[str, Any] | None) -> None:
    """Undo `keep_additions` and other changes of options for graphs."""
    if options is None or graph_options() is None:
        return
    from tensorflow.python.eager import context

    context.context()._optimizer_experimental_options.clear()
    tf.config.optimizer.set_experimental_options(options)


@contextmanager
def replaced_add_n(replacement: Callable[[Any], Any]) -> Iterator[None]:
    """Within the context, gradients are summed by another function than TensorFlow's AddN."""
    try:
        from tensorflow.python.ops import gen_math_ops

        original = gen_math_ops.add_n
    except (ImportError, AttributeError):
        warn_once("TensorFlow", "gen_math_ops.add_n", "two runs of a trial may differ in the last digit")
        yield
        return
    gen_math_ops.add_n = replacement(original)
    try:
        yield
    finally:
        gen_math_ops.add_n = original
