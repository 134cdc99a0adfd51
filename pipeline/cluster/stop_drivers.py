"""Ask every driver in this pod to end, and wait for them: the preStop hook of the head's pod.

A driver that gets the signal ends its session as `interrupted`, with complete tables. One that is killed leaves a
session that looks alive until its heartbeat is old. A driver whose epochs are long gets a second signal: it does not
wait for those in training then.
"""

import argparse
from collections.abc import Iterable
from contextlib import suppress

import psutil

from pipeline.cluster.submissions import DRIVER_COMMAND

_DRIVER = f"{' '.join(DRIVER_COMMAND[1:])} "
"""Words of a driver's command line; the shell around it has the whole command as one word."""


def stop_drivers(processes: Iterable[psutil.Process], epoch_seconds: float, seconds: float) -> list[int]:
    """Send SIGTERM to every driver among processes, a second time to those that still run, and wait for their end."""
    alive = []
    for process in processes:
        with suppress(psutil.Error):  # one of another user
            if _DRIVER in " ".join(word for word in process.cmdline() if " " not in word):
                alive.append(process)
    for patience in (epoch_seconds, seconds - epoch_seconds):
        for process in alive:
            with suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(alive, timeout=patience)
    return [process.pid for process in alive]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m pipeline.cluster.stop_drivers", description=__doc__)
    parser.add_argument("--epoch-seconds", type=float, default=8.0, help="the time for the epochs in training")
    parser.add_argument("--seconds", type=float, default=30.0, help="the longest time to wait")
    options = parser.parse_args()
    stop_drivers(psutil.process_iter(), options.epoch_seconds, options.seconds)
