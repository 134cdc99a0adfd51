"""Ask every driver in this pod to end, and wait for them: the preStop hook of the head's pod.

A driver that gets the signal ends its session as `interrupted`, with complete tables. One that is killed leaves a
session that looks alive until its heartbeat is old. A driver whose epochs are long gets a second signal: it does not
wait for those in training then.
"""

import argparse
import re
from collections.abc import Iterable
from contextlib import suppress

import psutil

_DRIVER = re.compile(r"(-m pipeline\.cli\.app|/tunepipe) (run|resume) ")
"""The command line of a driver: as `submit` starts it, or as the chart's `study.command` does."""
EPOCH_SECONDS = 8.0
"""The time for the epochs in training."""


def stop_drivers(processes: Iterable[psutil.Process], seconds: float) -> list[int]:
    """Send SIGTERM to every driver among processes, a second time to those that still run, and wait for their end."""
    alive = []
    for process in processes:
        with suppress(psutil.Error):  # one of another user
            # The shell around a driver has the whole command as one word.
            if _DRIVER.search(" ".join(word for word in process.cmdline() if " " not in word)):
                alive.append(process)
    for patience in (EPOCH_SECONDS, seconds - EPOCH_SECONDS):
        for process in alive:
            with suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(alive, timeout=patience)
    return [process.pid for process in alive]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m pipeline.cluster.stop_drivers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="the longest time to wait")
    stop_drivers(psutil.process_iter(), parser.parse_args().seconds)
