"""An epoch on common inputs of fit, compared with Keras' fit tuned by hand on the same pipeline."""

from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.jobs.bench_pipelines import JOBS
from tests.benchmarks.sides import peer


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
    return Measured(figures, samples)
