"""Epochs of the trainer and the same matrix products alone, in turns, in one process with the same threads."""

import argparse
import time
from statistics import median

from pipeline.datasets import load
from pipeline.training.trainer_factory import TrainerFactory
from tests.benchmarks.jobs.bench_search import JOB
from tests.benchmarks.peers import problem

_WIDTH = 64
_STEADY = 2


def products(x, batch):
    """A function that runs one epoch's matrix products: three forward, five backward, for each batch of `x`.

    The gradient of the loss is stood in for by the output; nothing is added, shuffled, activated or updated.
    """
    import tensorflow as tf

    tf.random.set_seed(0)
    shapes = [(x.shape[1], _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, 10)]
    first, second, third = (tf.random.normal(shape, stddev=0.05) for shape in shapes)
    data = tf.constant(x)
    full, rest = divmod(len(x), batch)

    def step(rows):
        one = rows @ first
        two = one @ second
        out = two @ third
        down_two = tf.matmul(out, third, transpose_b=True)
        down_one = tf.matmul(down_two, second, transpose_b=True)
        return (
            tf.matmul(rows, down_one, transpose_a=True),
            tf.matmul(one, down_two, transpose_a=True),
            tf.matmul(two, out, transpose_a=True),
        )

    @tf.function(autograph=False)
    def epoch():
        def body(index, *_):
            return (index + 1, *step(data[index * batch : (index + 1) * batch]))

        start = (tf.constant(0), *(tf.zeros(shape) for shape in shapes))
        done = tf.while_loop(lambda index, *_: index < full, body, start, parallel_iterations=1)
        return done[1:], step(data[full * batch :]) if rest else ()

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    data = load("mnist")
    learner = TrainerFactory(JOB, data).learner({"lr": 0.1, "momentum": 0.8, "width": _WIDTH}, seed=0)
    floor = products(data.train.x, JOB.batch_size)
    samples = {"ours": [], "floor": []}
    for _ in range(epochs + _STEADY):
        samples["ours"].append(learner.run_epoch().seconds_train)
        started = time.perf_counter()
        floor()[0][0].numpy()
        samples["floor"].append(time.perf_counter() - started)
    steady = {name: values[_STEADY:] for name, values in samples.items()}
    problem.tell(**{name: median(values) for name, values in steady.items()}, samples=samples)


if __name__ == "__main__":
    main()
