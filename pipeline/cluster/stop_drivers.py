"""Ask every driver in this pod to end, and wait for them: the preStop hook of the head's pod.

A driver that gets the signal ends its session as `interrupted`, with complete tables. One that is killed leaves a
session that looks alive until its heartbeat is old. A driver whose epochs are long gets a second signal: it does not
wait for those in training then.
"""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePath

import psutil

_MODULE = ["-m", "pipeline.cli.app", "run"]


def is_driver(command: Sequence[str]) -> bool:
    """Whether a process is the driver of a study, by its command line: not the shell that has started it."""
    words = list(command)
    module = any(words[index : index + len(_MODULE)] == _MODULE for index in range(1, 4))
    names = [PurePath(word).name for word in words[:3]]
    return module or ["tunepipe", "run"] in (names[:2], names[1:])


def stop_drivers(processes: Iterable[psutil.Process], epoch_seconds: float, seconds: float) -> list[int]:
    """Send SIGTERM to every driver among processes, a second time to those that still run, and wait for their end."""
    alive = []
    for process in processes:
        with suppress(psutil.Error):  # one of another user
            if is_driver(process.cmdline()):
                alive.append(process)
    for patience in (epoch_seconds, seconds - epoch_seconds):
        for process in alive:
            with suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(alive, timeout=patience)
    return [process.pid for process in alive]


def main() -> None:
    """The command: `python -m pipeline.cluster.stop_drivers --epoch-seconds 8 --seconds 30`."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cluster.stop_drivers", description=__doc__)
    parser.add_argument("--epoch-seconds", type=float, default=8.0, help="the time for the epochs in training")
    parser.add_argument("--seconds", type=float, default=30.0, help="the longest time to wait")
    options = parser.parse_args()
    stop_drivers(psutil.process_iter(), options.epoch_seconds, options.seconds)


if __name__ == "__main__":
    main()
