"""The private names of Keras and TensorFlow that training uses; no other module of tunepipe uses them.

pyproject.toml pins both libraries to versions that have these names; tests/unit/training/test_process.py names each.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.models.functional import Functional
from keras.src.trainers.data_adapters import get_data_adapter
from keras.src.trainers.data_adapters.data_adapter_utils import get_tensor_spec
from keras.src.utils import naming
from tensorflow.python.ops import gen_math_ops

_NAMES, _SEEDS, _POLICY = "object_name_uids", "global_seed_generator", "dtype_policy"


# Global state: counters of names, the policy of data types, random generators.


def reset_names() -> None:
    naming.reset_uids()


def reserve_names(names: Iterable[str]) -> None:
    """Keep names of layers that exist from those that Keras gives to new ones."""
    counters = global_state.get_global_attribute(_NAMES) or defaultdict(int)
    for name in names:
        base, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name, re.DOTALL).groups()  # type: ignore[union-attr]
        counters[base] = max(counters.get(base, 0), int(number or 0) + 1)
    global_state.set_global_attribute(_NAMES, counters)


def chosen_dtype_policy() -> Any:
    """The global policy; None while it follows the float type, which ends where Keras' own function is asked for it."""
    return global_state.get_global_attribute(_POLICY)


def restore_dtype_policy(policy: Any) -> None:
    global_state.set_global_attribute(_POLICY, policy)


def reset_seeds() -> None:
    """Let Keras draw its next global seed generator from Python's generator."""
    global_state.set_global_attribute(_SEEDS, None)


# Graphs of TensorFlow.


def captured_variables(graph: Any) -> list[Any]:
    """The variables that a graph reads, in the order in which it captured them."""
    handles = {id(variable.handle): variable for variable in graph.variables}
    return [handles[id(outside)] for outside, _ in graph.captures if id(outside) in handles]


def keep_additions() -> None:
    """Keep TensorFlow from turning additions into AddN, in every graph of this process from now on."""
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


@contextmanager
def ordered_sums() -> Iterator[None]:
    """Within the context, traced functions sum tensors in the given order, so that sums repeat to the last digit.

    TensorFlow's AddN writes its sum into the buffer of an operand that no other operation needs, and begins with that
    operand: with three or more, the order depends on which other readers ran first. AddN sums the gradients of a tensor
    that is used several times, and TensorFlow's arithmetic optimiser makes one of a tree of additions.
    """
    original = gen_math_ops.add_n

    def add(inputs: Sequence[Any], name: str | None = None) -> Any:
        # Variants (lists of tensors, in the gradients of loops) can only be summed by AddN, which keeps their order.
        if len(inputs) < 3 or tf.convert_to_tensor(inputs[0]).dtype == tf.variant:
            return original(inputs, name=name)
        return reduce(lambda left, right: tf.raw_ops.AddV2(x=left, y=right), inputs)

    gen_math_ops.add_n = add
    try:
        yield
    finally:
        gen_math_ops.add_n = original


# Models.


def is_functional(model: keras.Model) -> bool:
    return type(model) is Functional


def layers_of(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    return dict(compilation_of(model).config)


def compilation_of(model: keras.Model) -> Any:
    """An object that stays the same until a model is compiled again; None before."""
    return getattr(model, "_compile_config", None)


def wrapped_arguments(value: Any) -> Any:
    """What a loss or metric of Keras passes to the function that it wraps; None for others."""
    return vars(value).get("_fn_kwargs") if hasattr(value, "__dict__") else None


def build_metrics(model: keras.Model, target: Any, output: Any) -> None:
    """Let the compiled metrics of a model create their variables before a trace."""
    if model._compile_metrics is not None and not model._compile_metrics.built:
        model._compile_metrics.build(target, output)


# Optimisers.


def learning_rate_of(optimizer: Any) -> Any:
    """What an optimiser, or the one within it, takes its learning rate from: a variable, a schedule or a function."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return vars(optimizer).get("_learning_rate")


def excludes_from_weight_decay(optimizer: Any) -> bool:
    """Whether `exclude_from_weight_decay` was called, which the optimiser's config does not hold."""
    # Under any name of that kind: a trace that is shared wrongly gives wrong results.
    held = {**vars(optimizer), **vars(getattr(optimizer, "inner_optimizer", optimizer))}
    return any(bool(held[name]) for name in held if "exclude_from_weight_decay" in name and not name.endswith("cache"))


def skip_reduction(optimizer: Any) -> None:
    """Leave out the sum of gradients over replicas if there is only one: each trace of it occupies 7 MB permanently."""
    if not tf.distribute.has_strategy():
        for each in (optimizer, getattr(optimizer, "inner_optimizer", optimizer)):
            each._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars


@contextmanager
def keep_averages_apart(optimizer: Any) -> Iterator[None]:
    """Within the context, Keras' fit does not put averaged weights in the place of the model's own."""
    optimizer.finalize_variable_values = lambda _variables: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


# Callbacks.


def without_threads(callbacks: keras.callbacks.CallbackList) -> None:
    callbacks._async_train = callbacks._async_test = False


def profiles(callback: keras.callbacks.TensorBoard) -> bool:
    return bool(callback._profiler_started or callback._start_batch)


# Pipelines.


def data_adapter(pipeline: Any, *, shuffle: bool, class_weight: Mapping[int, float] | None) -> Any:
    return get_data_adapter(
        pipeline, shuffle=shuffle, class_weight=None if class_weight is None else dict(class_weight)
    )


def batch_signature(batches: Sequence[Any]) -> Any:
    return get_tensor_spec(batches)


def pipeline_stages(dataset: Any) -> Iterator[Any]:
    """The pipelines of which a tf.data pipeline is made, from itself to its sources."""
    yield dataset
    for source in dataset._inputs():
        yield from pipeline_stages(source)


@contextmanager
def python_functions() -> Iterator[list[Any]]:
    """The Python functions of pipelines that are made in the context: whoever reads these keeps the list.

    TensorFlow itself would keep the functions, and what they refer to, for as long as the process runs.
    """
    graph = tf.compat.v1.get_default_graph()
    kept = graph._py_funcs_used_in_graph = getattr(graph, "_py_funcs_used_in_graph", [])
    first, functions = len(kept), list[Any]()
    yield functions
    functions += kept[first:]
    del kept[first:]


def pipeline_functions(dataset: Any) -> list[Any]:
    return [wrapper.function for wrapper in dataset._functions()]


def reshuffles(dataset: Any) -> bool:
    """Whether a stage of a tf.data pipeline gives another order in each epoch."""
    return bool(getattr(dataset, "_reshuffle_each_iteration", False))
