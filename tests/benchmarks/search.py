"""One search, start-up included: seconds per trained epoch, ours and the peers', in interleaved rounds.

The whole search is also compared with the least that it could take: a bare start of Ray and TensorFlow, and then the
matrix products of its epochs.
"""

from collections.abc import Callable
from statistics import median

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import Ran, peer, tunepipe

_QUICK_TRIALS = 4


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    trials = ["--trials", str(_QUICK_TRIALS)] if options.quick else []
    steps = ["--reuse-actors", "--steps-per-execution", "64"]
    sides: dict[str, Callable[[], Ran]] = {
        "tunepipe": lambda: tunepipe("bench_search", *trials),
        "Ray Tune, as its docs write it": lambda: peer("ray_tune", *trials),
        "Ray Tune, reuse_actors": lambda: peer("ray_tune", "--reuse-actors", *trials),
        "Ray Tune, reuse_actors, steps_per_execution=64": lambda: peer("ray_tune", *steps, *trials),
        "Optuna, successive halving": lambda: peer("optuna_halving", *trials),
        "KerasTuner, Hyperband": lambda: peer("keras_tuner_hyperband", *trials),
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    least: list[float] = []
    for round_ in range(1 if options.quick else options.rounds):
        for name, side in sides.items():
            ran = side()
            samples[name].append({"seconds": ran.seconds, "epochs": ran.result["epochs"], "best": _best(ran)})
            say(f"round {round_ + 1}: {name}: {ran.result['epochs']} epochs in {ran.seconds:.0f} s")
        least.append(_least(samples["tunepipe"][-1]["epochs"], options))
        say(f"round {round_ + 1}: bare start, and the products of as many epochs: {least[-1]:.0f} s")
    seconds = median(each["seconds"] for each in samples["tunepipe"])
    pace = {name: median(each["seconds"] / each["epochs"] for each in rounds) for name, rounds in samples.items()}
    ours = pace.pop("tunepipe")
    figures = [
        Figure("search", f"seconds per trained epoch; {name}", ours, theirs, most=0.25) for name, theirs in pace.items()
    ]
    what = "seconds for the whole search; bare start, and its matrix products"
    return Measured([*figures, Figure("search", what, seconds, median(least), most=1.8)], {**samples, "least": least})


def _least(epochs: float, options: Options) -> float:
    """Seconds for a bare start and the matrix products of this many epochs, on the one core that a trial has."""
    bare = peer("bare_start")
    floor = peer("floor", "--epochs", "3" if options.quick else "10").result["floor"]
    return bare.result["ready"] - bare.started + epochs * floor


def _best(ran: Ran) -> float:
    best = ran.result["best"]
    return float(best["value"] if isinstance(best, dict) else best)
