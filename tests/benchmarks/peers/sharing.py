"""Trials in parallel that read images through shared_cache: the CPU seconds of all for their input."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.peers import problem

_HEIGHT, _WIDTH, _SIZE = 768, 1024, 96


def written(count: int) -> None:
    """Write photos, as JPEG files."""
    import numpy as np
    import tensorflow as tf

    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 255, (_HEIGHT // 16, _WIDTH // 16, 3)).astype("float32")
        photo = tf.cast(tf.clip_by_value(tf.image.resize(coarse, (_HEIGHT, _WIDTH), "bicubic"), 0, 255), tf.uint8)
        tf.io.write_file(f"photos/{number}.jpg", tf.io.encode_jpeg(photo))


def trial(epochs: int, *, share: bool) -> float:
    """Read the epochs of a trial; the CPU seconds that this took."""
    import tensorflow as tf

    from pipeline import shared_cache
    from pipeline.storage.scratch import SharedFolder
    from pipeline.training.data import in_data_call

    def decoded(path):
        return tf.cast(tf.image.resize(tf.image.decode_jpeg(tf.io.read_file(path), 3), (_SIZE, _SIZE)), tf.uint8)

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.constant(0)
    started = _cpu()
    folder = SharedFolder(lambda: str(Path.cwd())) if share else None
    with in_data_call(None, folder):
        photos = tf.data.Dataset.list_files("photos/*.jpg", shuffle=False).map(decoded).apply(shared_cache("photos"))
    rows = photos.shuffle(500).batch(32).prefetch(2)
    for _ in range(epochs):
        for _ in rows:
            pass
    return _cpu() - started


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="each trial decodes for itself, in each epoch")
    parser.add_argument("--trial", action="store_true", help="be one of the trials")
    arguments = parser.parse_args()
    if arguments.trial:
        problem.tell(cpu=trial(arguments.epochs, share=not arguments.alone))
        return
    written(arguments.images)
    from pipeline.storage.scratch import SharedFolder

    # The workers of a study live as long as its session; these trials end one after the other.
    tempfile.tempdir = str(Path.cwd())
    held = SharedFolder(lambda: str(Path.cwd()))
    assert held.path
    command = [sys.executable, "-m", "tests.benchmarks.peers.sharing", *sys.argv[1:], "--trial"]
    # What the trials share goes when the last one ends: this folder is the benchmark's own.
    environment = {**os.environ, "TMPDIR": str(Path.cwd())}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(arguments.trials)
    ]
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    held.close()
    problem.tell(cpu=sum(each["cpu"] for each in results), trials=[each["cpu"] for each in results])


if __name__ == "__main__":
    main()
