"""A canary for each private name of Keras and TensorFlow that training uses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.training import internals

MODEL = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
MODEL.compile("sgd", "mse", metrics=["mae"])
ROWS = tf.data.Dataset.range(4)


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (MODEL, ["_flatten_layers", "_compile_config", "_compile_metrics"]),
        (MODEL.optimizer, ["_learning_rate", "_all_reduce_sum_gradients", "finalize_variable_values"]),
        (keras.callbacks.CallbackList([]), ["_async_train", "_async_test"]),
        (keras.callbacks.TensorBoard("log"), ["_profiler_started"]),
        (ROWS.map(lambda x: x), ["_inputs", "_functions"]),
        (ROWS.shuffle(4), ["_reshuffle_each_iteration"]),
    ],
)
def test_a_private_name_is_there(owner: object, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_the_names_of_layers_and_the_seeds_of_keras_can_be_restored() -> None:
    keras.layers.Dense(1)
    names, generators = internals.name_counters(), internals.library_generators()
    first = (keras.layers.Dense(1).name, keras.random.uniform(()).numpy(), tf.random.uniform(()).numpy())
    internals.restore_name_counters(names)
    internals.reserve_names([])
    internals.restore_library_generators(generators)
    again = (keras.layers.Dense(1).name, keras.random.uniform(()).numpy(), tf.random.uniform(()).numpy())
    assert first[0] == again[0]
    assert generators["keras"] is None or first[1] == again[1]
    internals.reserve_names(["dense_41"])
    assert keras.layers.Dense(1).name == "dense_42"


def test_settings_of_keras_and_tensorflow_can_be_restored() -> None:
    policy, options = internals.chosen_dtype_policy(), internals.graph_options()
    keras.config.set_dtype_policy("mixed_float16")
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    internals.restore_dtype_policy(policy)
    internals.restore_graph_options(options)
    assert internals.chosen_dtype_policy() is policy
    assert internals.graph_options() == options


def test_captured_variables_come_in_the_order_of_their_use() -> None:
    first, second = tf.Variable(1.0), tf.Variable(2.0)
    traced = tf.function(lambda: second * first).get_concrete_function()
    assert [id(each) for each in internals.captured_variables(traced.graph)] == [id(second), id(first)]


def test_averages_stay_apart_within_the_context() -> None:
    optimizer = keras.optimizers.SGD(use_ema=True)
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    weight.assign([5.0])
    with internals.keep_averages_apart(optimizer):
        optimizer.finalize_variable_values([weight])
    assert weight.numpy() == [5.0]
    optimizer.finalize_variable_values([weight])
    assert weight.numpy() != [5.0]


def test_an_inner_optimisers_rate_and_weight_decay_are_found() -> None:
    inner = keras.optimizers.SGD(0.5)
    assert float(internals.learning_rate_of(inner)) == 0.5
    assert internals.learning_rate_of(keras.optimizers.LossScaleOptimizer(inner)) is not None
    assert internals.learning_rate_of(None) is None
    assert not internals.excludes_from_weight_decay(inner)
    inner.exclude_from_weight_decay(var_names=["bias"])
    assert internals.excludes_from_weight_decay(inner)


def test_a_pydataset_and_a_pipeline_are_read_as_fit_reads_them() -> None:
    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            return np.full((3, 2), index, "float32"), np.zeros(3, "int64")

    adapter = internals.data_adapter(Batches(), shuffle=False, class_weight={0: 2.0})
    batches = list(adapter.get_tf_dataset())
    assert (adapter.num_batches, len(batches), batches[1][2].numpy().tolist()) == (2, 2, [2.0] * 3)
    assert internals.data_adapter(ROWS, shuffle=False, class_weight=None).num_batches == 4
    (found,) = internals.batch_signature([(np.zeros((rows, 2), np.float32),) for rows in (4, 3)])
    assert found.shape.as_list() == [None, 2]


def test_stages_of_pipelines_are_told_apart() -> None:
    mapped = ROWS.map(lambda x: x + 1, num_parallel_calls=2)
    assert internals.pipeline_inputs(mapped) == [ROWS]
    assert len(internals.pipeline_functions(mapped)) == 1
    assert internals.stage_kind(mapped) == "ParallelMap"
    assert internals.reshuffles(ROWS.shuffle(4))
    assert not internals.reshuffles(ROWS.shuffle(4, reshuffle_each_iteration=False))
