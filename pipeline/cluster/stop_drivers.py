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
    if any(words[index : index + len(_MODULE)] == _MODULE for index in range(1, 4)):
        return True
    return any(
        PurePath(word).name == "tunepipe" and words[index + 1 :][:1] == ["run"] for index, word in enumerate(words[:2])
    )


def stop_drivers(processes: Iterable[psutil.Process], epoch_seconds: float, seconds: float) -> list[int]:
    """Send SIGTERM to every driver among processes, a second time to those that still run, and wait for their end."""
    drivers = []
    for process in processes:
        # Processes of other users may end, or may not be read.
        with suppress(psutil.Error):
            if is_driver(process.cmdline()):
                process.terminate()
                drivers.append(process)
    _, alive = psutil.wait_procs(drivers, timeout=epoch_seconds)
    for process in alive:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(alive, timeout=seconds - epoch_seconds)
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
