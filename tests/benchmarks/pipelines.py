"""An epoch on common inputs of fit, compared with Keras' fit tuned by hand on the same pipeline; shared decoding."""

from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.jobs.bench_pipelines import JOBS
from tests.benchmarks.sides import peer

_TRIALS = 4


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    rounds = 1 if options.quick else options.rounds
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in JOBS}
    for round_ in range(rounds):
        for name in JOBS:
            turns = ["--turns", "1", "--epochs", "1"] if options.quick else []
            result = peer("pipelines", "--kind", name, *turns).result
            samples[name].append(result)
            say(f"round {round_ + 1}: {name}: {result['ours']:.3f} s, fit {result['fit']:.3f} s")
    figures = [
        Figure(
            "pipelines",
            f"seconds for one epoch, {name}; fit tuned by hand",
            *(median(result[side] for result in each) for side in ("ours", "fit")),
            most=1,
        )
        for name, each in samples.items()
    ]
    shared, decoding = _shared(options, say)
    return Measured([*figures, shared], {**samples, "shared": decoding})


def _shared(options: Options, say: Callable[[str], None]) -> tuple[Figure, list[dict[str, float]]]:
    """CPU seconds for the input of trials that share a cache, compared with one trial alone."""
    small = ["--images", "20", "--epochs", "2"] if options.quick else []
    found = []
    for round_ in range(1 if options.quick else options.rounds):
        cpu = {
            name: float(peer("sharing", "--trials", str(trials), *small).result["cpu"])
            for name, trials in (("one", 1), ("several", _TRIALS))
        }
        found.append(cpu)
        say(f"round {round_ + 1}: input of {_TRIALS} trials: {cpu['several']:.1f} s of CPU, of one {cpu['one']:.1f} s")
    several, one = (median(cpu[name] for cpu in found) for name in ("several", "one"))
    what = f"CPU seconds for the input of {_TRIALS} trials in parallel with shared_cache; of one trial"
    return Figure("pipelines", what, several, one, most=1.5), found
