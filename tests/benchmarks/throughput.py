"""Trials that cost nothing through the whole pipeline: recorded epochs per second, compared with Ray Tune alone."""

from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import Ran, peer, tunepipe

_QUICK_TRIALS = 10


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    trials = ["--trials", str(_QUICK_TRIALS)] if options.quick else ["--trials", "200"]
    sides: dict[str, Callable[[], Ran]] = {
        "tunepipe": lambda: tunepipe("bench_trivial", *trials),
        "Ray Tune with its loggers": lambda: peer("ray_trivial", *trials),
        "Ray Tune without": lambda: peer("ray_trivial", "--no-loggers", *trials),
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for round_ in range(1 if options.quick else options.rounds):
        for name, side in sides.items():
            ran = side()
            epochs, busy = ran.result["epochs"], ran.result["last"] - ran.result["first"]
            samples[name].append({"epochs": epochs, "busy": busy, "seconds": ran.seconds})
            say(f"round {round_ + 1}: {name}: {epochs / busy:.0f} epochs/s; with start and end {ran.seconds:.0f} s")
    figures = []
    for spoken, per in (("from the first epoch to the last", "busy"), ("start and end included", "seconds")):
        rates = {name: median(each["epochs"] / each[per] for each in rounds) for name, rounds in samples.items()}
        ours = rates.pop("tunepipe")
        figures += [
            Figure("throughput", f"recorded epochs per second, {spoken}; {name}", ours, rate, "/s", ours / rate)
            for name, rate in rates.items()
        ]
    return Measured(figures, samples)
