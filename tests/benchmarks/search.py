"""One search, start-up included, beside the least that it could take: a bare start of Ray and TensorFlow, and then the
matrix products of its epochs.
"""

from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import peer, tunepipe


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    samples: dict[str, list[float]] = {"tunepipe": [], "epochs": [], "least": []}
    for round_ in range(1 if options.quick else options.rounds):
        ran = tunepipe("bench_search", *(["--trials", "4"] if options.quick else []))
        bare, floor = peer("bare_start"), peer("floor", "--epochs", "3" if options.quick else "10").result["floor"]
        least = bare.result["ready"] - bare.started + ran.result["epochs"] * floor
        for name, value in zip(samples, (ran.seconds, ran.result["epochs"], least), strict=True):
            samples[name].append(value)
        say(f"round {round_ + 1}: {ran.result['epochs']} epochs in {ran.seconds:.0f} s; the least is {least:.0f} s")
    what = "seconds for the whole search; bare start, and its matrix products"
    return Measured([Figure("search", what, median(samples["tunepipe"]), median(samples["least"]), most=1.8)], samples)
