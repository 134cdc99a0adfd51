"""Sums with a reproducible order, and models that show it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from pipeline.training.internals import ordered_sums
from pipeline.training.traces import trace_epoch
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.own_train_steps import EPOCHS, OWN_STEPS, images, outcomes
from tests.unit.training.reference_training import job_of

EXACT = [name for name in OWN_STEPS if "tf.random" not in name]


def unordered_sums(function: Any, *arguments: Any) -> list[str]:
    """Names of the sums of three operands or more in a function's graph, as TensorFlow runs it after optimising."""
    context.context().enable_graph_collection()
    try:
        function(*arguments)
        graphs = context.context().export_run_metadata().function_graphs
    finally:
        context.context().disable_graph_collection()
    nodes = [node for one in graphs for node in one.post_optimization_graph.node]
    nodes += [node for one in graphs for part in one.post_optimization_graph.library.function for node in part.node_def]
    assert nodes, "no graph was collected"
    return [node.name for node in nodes if node.op == "AddN" and node.attr["N"].i > 2]


def test_neither_gradients_nor_trees_of_additions_become_one_sum() -> None:
    """A compiled epoch has no sum of three tensors or more, whose order TensorFlow does not fix."""
    weight, total = tf.Variable(tf.ones([4])), tf.Variable(0.0)

    def step(rows: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            x = rows * weight
            loss, other = tf.reduce_mean(x * x) + tf.reduce_mean(tf.exp(x)), tf.reduce_mean(tf.sin(x))
            both = loss + other
        weight.assign_sub(0.1 * tape.gradient(both, weight))
        total.assign(total + both)
        return {"loss": total.read_value(), "other": other}

    epoch = trace_epoch(step, tf.ones([8, 4]), 8, 4, jit_compile=False, stop_at_nan=False)
    assert unordered_sums(epoch, tf.range(8), tf.constant(0), tf.constant(2)) == []


def test_sums_keep_their_order_and_their_names() -> None:
    """Within the context tf.add_n adds from left to right, and outside of it is TensorFlow's own."""
    values = [tf.constant(value) for value in (1e8, 1.0, -1e8, 1.0)]
    with ordered_sums():
        assert tf.function(tf.add_n)(values).numpy() == 1.0
        shape = tf.constant([], tf.int32)
        lists = [tf.raw_ops.TensorListFromTensor(tensor=tf.ones([2]), element_shape=shape) for _ in range(3)]
        summed = tf.raw_ops.TensorListStack(
            input_handle=tf.add_n(lists), element_shape=shape, element_dtype=tf.float32, num_elements=2
        )
    assert summed.numpy().tolist() == [3.0, 3.0]
    graph = tf.function(tf.add_n).get_concrete_function(values).graph
    assert "AddN" in {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("VAE", "GAN, two optimisers") else pytest.param(name, marks=pytest.mark.long)
        for name in OWN_STEPS
    ],
)
def test_models_with_a_train_step_of_their_own_have_no_such_sum(name: str) -> None:
    """The total of a VAE's losses is not computed as one sum of three operands, whose order would vary."""
    learner: Any = TrainerFactory(job_of(OWN_STEPS[name]), images()).learner({}, seed=1)
    order = tf.range(learner.rows)
    assert unordered_sums(learner.trace.train, order, tf.constant(0), tf.constant(1)) == []
    assert unordered_sums(learner.trace.evaluate, tf.range(24), tf.constant(0), tf.constant(1)) == []


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of trials here and in another process, from the start after others, and from a saved state."""
    folder = tmp_path_factory.mktemp("own")
    here = {name: outcomes(name, folder=folder) for name in OWN_STEPS}
    subprocess.run([sys.executable, "-m", "tests.unit.training.own_train_steps", str(folder)], check=True)
    return here, json.loads((Path(folder) / "found.json").read_text())


@pytest.mark.long
@pytest.mark.parametrize("name", list(OWN_STEPS))
def test_own_steps_give_the_same_again(name: str, reported: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Models with own training steps have the same metrics in another process, after another trial."""
    assert len(reported[0][name]) == EPOCHS
    assert reported[1][name]["again"] == reported[0][name]


@pytest.mark.long
@pytest.mark.parametrize("name", EXACT)
def test_own_steps_continue_exactly(name: str, reported: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Own training steps continue exactly from a saved state in another process, with two optimisers and generators."""
    assert reported[1][name]["resumed"] == reported[0][name][1:]
