"""Setting up a process for training."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.errors import ResourcesUnmet
from pipeline.study import Resources
from pipeline.training.process import memory_for_data, set_up

REPOSITORY = Path(__file__).parents[3]


SET_UP_TWICE = """
import tensorflow as tf

from pipeline.study import Resources
from pipeline.training.process import set_up

threads = tf.config.threading.get_intra_op_parallelism_threads
set_up(Resources())
print("first:", threads())
tf.constant(1)
set_up(Resources(cpus=3))
print("second:", threads())
set_up(Resources())
print("third:", threads())
"""


@pytest.mark.long
def test_a_process_keeps_the_threads_of_its_first_set_up() -> None:
    """A process for one core has one thread, so that sums have one order, and reports that it cannot change.

    A separate process: TensorFlow takes its threads once, and another test may have started it here.
    """
    done = subprocess.run(
        [sys.executable, "-c", SET_UP_TWICE], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert done.stdout.splitlines() == [
        "first: 1",
        "tunepipe: TensorFlow was started before the study; its threads and its GPU memory stay as they are.",
        "second: 1",
        "third: 1",
    ], done.stderr


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="This machine has a GPU.")
def test_gpus_that_are_not_there_are_missed() -> None:
    """A trial that requests missing GPUs fails instead of training on the CPU."""
    with pytest.raises(ResourcesUnmet, match=r"requests 0.5 GPUs, but TensorFlow finds none.*resources.gpus to 0"):
        set_up(Resources(gpus=0.5))


def test_data_may_fill_a_share_of_what_is_free() -> None:
    """Trials of one CPU, which share the memory, get no more of it for data than a trial of all CPUs."""
    assert 0 < memory_for_data(Resources(cpus=1)) <= memory_for_data(Resources(cpus=1024)) * 1.5
