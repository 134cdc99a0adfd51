"""How a process is set up for training."""

import pytest
import tensorflow as tf

from pipeline.errors import ResourcesUnmet
from pipeline.study import Resources
from pipeline.training.process import memory_for_data, set_up


def test_trial_of_one_core_has_one_thread() -> None:
    """Single operations run on one thread, so that sums are in one order."""
    set_up(Resources())
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1


def test_setting_up_again_for_other_resources_says_that_it_is_too_late(capsys: pytest.CaptureFixture[str]) -> None:
    """TensorFlow takes its threads once; a second study in one process keeps those of the first, and is told."""
    tf.constant(1)
    set_up(Resources(cpus=3))
    assert "its threads and its GPU memory stay as they are" in capsys.readouterr().out
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    set_up(Resources())
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="This machine has a GPU.")
def test_gpus_that_are_not_there_are_missed() -> None:
    """A trial that asks for GPUs does not train on the CPU in silence."""
    with pytest.raises(ResourcesUnmet, match=r"asks for 0.5 GPUs, and TensorFlow finds none.*resources.gpus to 0"):
        set_up(Resources(gpus=0.5))


def test_data_may_fill_a_share_of_what_is_free() -> None:
    """Trials that run beside each other share the memory."""
    assert 0 < memory_for_data(Resources(cpus=1)) <= memory_for_data(Resources(cpus=1024)) * 1.5
