"""What the driver costs, and whether that grows with the study: CPU per trial, report and draw.

A cost per trial is the difference between a study of many trials and one of a few, so that the start of Ray is left
out. The growth is the last cost divided by the first one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import psutil

from pipeline.searchers import SEARCHERS, History, Observation
from pipeline.space import LogUniform, Uniform, draw
from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import peer

_GROWTH = 1.2
"""How much larger the last cost may be than the first one."""
_FEW = 2
_SECONDS = 300
"""What the largest study of trivial trials may take."""
_WORKER_MEGABYTES = 150
"""Memory of a worker of a function: Python with Ray Tune takes 140 MB."""
_STUDIES, _DRAWS = 8, 5
"""The number of studies in which draws are measured, and of draws in each."""


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    quick = options.quick
    figures: list[Figure] = []
    samples: dict[str, Any] = {}
    for name, measured in {
        "trials": partial(_trials, (8, 16) if quick else (500, 2_000, 10_000)),
        "reports": partial(_reports, (2,) if quick else workers_that_fit(4, 48, 200), 8 if quick else 8_000),
        "stand-in": partial(_stand_in, (20, 40, 60) if quick else (1_000, 4_000, 10_000)),
        "draws": partial(_draws, (50, 100) if quick else (1_000, 10_000)),
    }.items():
        found, samples[name] = measured()
        for figure in found:
            amounts = f"{figure.ours:.3g} {figure.unit}, against {figure.reference:.3g}"
            say(f"{figure.what}: {amounts}, ratio {figure.ratio:.2f}")
        figures += found
    return Measured(figures, samples)


def _trials(sizes: Sequence[int]) -> tuple[list[Figure], Any]:
    """CPU per trial between one size and the next, on Ray with two workers; time and memory of the last."""
    ran = {size: peer("scale", "run", "--trials", str(size)) for size in (_FEW, *sizes)}
    result = {size: each.result | {"seconds": each.seconds} for size, each in ran.items()}
    costs = [
        1000 * (result[larger]["cpu"] - result[smaller]["cpu"]) / (larger - smaller)
        for smaller, larger in pairwise(result)
    ]
    megabytes, seconds = result[sizes[-1]]["megabytes"], result[sizes[-1]]["seconds"]
    what = f"driver, CPU per trial up to {sizes[-1]:,} trials; up to {sizes[0]:,}"
    whole = f"study of {sizes[-1]:,} trivial trials, two workers; what it may take"
    return [
        _growth(what, costs),
        Figure("scale", whole, seconds, _SECONDS, most=1),
        Figure("scale", "driver, memory; what it may take", megabytes, 600, "MB", most=1),
    ], {"result": result, "costs": costs}


def _reports(workers: Sequence[int], reports: int) -> tuple[list[Figure], Any]:
    """Milliseconds of CPU per report, by the number of real workers, each of which reports every epoch.

    Workers that start compete with those that train, so a study's CPU counts from when all have reported once.
    """
    costs = []
    for number in workers:
        arguments = ("scale", "run", "--every-epoch", "--workers", str(number), "--trials", str(number))
        # As many reports for each number: what a study's end takes varies.
        epochs = reports // number
        few, many = (peer(*arguments, "--epochs", str(n)).result["cpu"] for n in (2, 2 + epochs))
        costs.append(1000 * (many - few) / (number * epochs))
    what = f"driver, CPU per report of {workers[-1]} workers; of {workers[0]}"
    return [_growth(what, costs)], {"costs": dict(zip(workers, costs, strict=True))}


def workers_that_fit(*workers: int) -> Sequence[int]:
    """Ascending numbers of workers, none larger than fits into the machine's memory."""
    most = int(0.8 * psutil.virtual_memory().total / 1e6 / _WORKER_MEGABYTES)
    return sorted({min(number, most) for number in workers})


def _stand_in(sizes: Sequence[int]) -> tuple[list[Figure], Any]:
    """Milliseconds of CPU per report of the session itself, with workers that only report, after their first trials.

    Before the first trials end, there is less to do: none is promoted, and no checkpoint is deleted.
    """
    workers = sizes[0]
    arguments = ("scale", "stand-in", "--workers", str(workers), "--epochs", "20", "--trials")
    result = {size: peer(*arguments, str(size)).result for size in sizes}
    costs = [
        1000
        * (result[larger]["cpu"] - result[smaller]["cpu"])
        / (result[larger]["reports"] - result[smaller]["reports"])
        for smaller, larger in pairwise(sizes)
    ]
    what = f"session, CPU per report with {workers:,} workers up to {sizes[-1]:,} trials; up to {sizes[1]:,}"
    return [_growth(what, costs)], {"result": result, "costs": costs}


def _draws(sizes: Sequence[int]) -> tuple[list[Figure], Any]:
    """Milliseconds of CPU per draw after this many trials, over several studies: a fit takes as many steps as it needs.

    What searchers keep of earlier draws is there, as in a study.
    """
    space = {"lr": LogUniform(1e-5, 1.0), "dropout": Uniform(0.0, 0.5)}
    studies = [_tried(space, sizes[-1], seed) for seed in range(_STUDIES)]
    figures, samples = [], {}
    for name in ("curves", "tpe", "gp"):
        searcher, costs = SEARCHERS[name](), dict.fromkeys(sizes, 0.0)
        for tried in studies:
            for size in sizes:
                history = History(tried[:size])
                searcher.suggest(space, seed=0, index=size, history=history, epochs=1)
                started = time.process_time()
                for index in range(_DRAWS):
                    searcher.suggest(space, seed=0, index=size + 4 * index, history=history, epochs=1)
                costs[size] += 1000 * (time.process_time() - started) / _DRAWS / _STUDIES
        what = f"{name}, CPU per draw after {sizes[-1]:,} trials; after {sizes[0]:,}"
        figures.append(_growth(what, list(costs.values())))
        samples[name] = costs
    return figures, samples


def _tried(space: Mapping[str, Any], count: int, seed: int) -> list[Observation]:
    """Random configs, each with a loss at its one epoch, with noise, as that of training."""
    rng = np.random.default_rng(seed)
    tried = []
    for index in range(count):
        config = draw(space, rng)
        loss = (np.log10(config["lr"]) + 2) ** 2 + config["dropout"] + 0.3 * rng.normal()
        tried.append(Observation(config, "known", loss, ((1, loss),), f"{index:04d}", ended=True))
    return tried


def _growth(what: str, costs: Sequence[float]) -> Figure:
    return Figure("scale", what, costs[-1], costs[0], "ms", most=_GROWTH)
