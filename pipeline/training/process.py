"""A process is set up for training once, before TensorFlow starts its devices."""

import math

from pipeline.study import Resources

__all__ = ["set_up"]

_done = False


def set_up(resources: Resources) -> None:
    """Give TensorFlow the threads and the GPU memory that a trial may have.

    On a CPU a trial of one core runs single operations on one thread: faster for small models, and the same to the last
    digit however many trials run beside it. On a GPU memory grows as needed; a fraction of a card is a limit on it.

    Args:
        resources: What one trial gets.
    """
    global _done
    if _done:
        return
    _done = True
    import tensorflow as tf

    threads = max(1, math.floor(resources.cpus))
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for card in tf.config.list_physical_devices("GPU"):
            if 0 < resources.gpus < 1:
                whole = tf.config.experimental.get_device_details(card).get("memory_limit") or _memory(card)
                limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(whole * resources.gpus))
                tf.config.set_logical_device_configuration(card, [limit])
            else:
                tf.config.experimental.set_memory_growth(card, True)
    except RuntimeError:
        # TensorFlow is in use already, in a notebook say: it keeps what it was set to.
        print("tunepipe: TensorFlow was started before the study; its threads and its GPU memory stay as they are.")


def _memory(card: object) -> float:
    """A card's memory in MiB."""
    import subprocess

    told = subprocess.run(
        ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=True,
    )
    index = int(str(getattr(card, "name", "0")).rpartition(":")[2])
    return float(told.stdout.split()[index]) * 0.95
