"""Time to an answer: seconds until a study is as good as the best of its peers gets in the same time.

Each tool tunes each study in its own process, start-up included, in turns; the value of each epoch counts when it ends.
`python -m tests.benchmarks.answer benchmarks.json answer.svg` draws what was measured.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.jobs.bench_answer import JOBS
from tests.benchmarks.peers.answer import TOOLS
from tests.benchmarks.sides import peer, tunepipe

_SHARES = (1.0, 0.99)

Curve = Sequence[tuple[float, float]]
"""When each epoch ended, in seconds since the start, and its value; higher is better."""


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    samples: dict[str, list[dict[str, Curve]]] = {study: [] for study in JOBS}
    seconds = 30.0 if options.quick else options.minutes * 60
    for seed in range(1 if options.quick else options.rounds):
        for study in list(JOBS)[: 1 if options.quick else None]:
            curves = {tool: _curve(tool, study, seconds, seed) for tool in ("tunepipe", *TOOLS)}
            samples[study].append(curves)
            (ours, theirs), (near, _) = (_to_answer(curves, seconds, share) for share in _SHARES)
            ends = [f"{tool} {max(curve, key=itemgetter(1))[1]:.4g} in {len(curve)}" for tool, curve in curves.items()]
            say(f"seed {seed}: {study}: {ours:.0f} ({near:.0f}) s, the best peer {theirs:.0f} s; {', '.join(ends)}")
    figures, ratios = [], {share: list[float]() for share in _SHARES}
    for study, rounds in samples.items():
        if rounds:
            for share in _SHARES:
                pairs = [_to_answer(curves, seconds, share) for curves in rounds]
                ours, theirs = (median(side) for side in zip(*pairs, strict=True))
                what = f"{study}: seconds to {share:.0%} of the way from the median epoch to the best peer's"
                figures.append(Figure("answer", what, ours, theirs, most=1.0))
                ratios[share].append(ours / theirs)
            ours, *peers = (median(seconds / len(curves[tool]) for curves in rounds) for tool in ("tunepipe", *TOOLS))
            figures += [
                Figure("answer", f"{study}: seconds for each epoch; {tool}", ours, theirs)
                for tool, theirs in zip(TOOLS, peers, strict=True)
            ]
    for share, each in ratios.items():
        figures.append(Figure("answer", f"the median study, {share:.0%} of the way", median(each), 1.0, "", most=0.1))
    return Measured(figures, samples)


def _to_answer(curves: Mapping[str, Curve], seconds: float, share: float) -> tuple[float, float]:
    """When tunepipe has gone a share of the way to the best of a peer, and when a peer had; never is twice the time."""
    best = max(value for tool in TOOLS for _, value in curves[tool])
    least = best - (1 - share) * (best - median(value for curve in curves.values() for _, value in curve))
    reached = {tool: (at for at, value in curve if value >= least) for tool, curve in curves.items()}
    return next(reached["tunepipe"], 2 * seconds), min(at for tool in TOOLS for at in reached[tool])


def _curve(tool: str, study: str, seconds: float, seed: int) -> Curve:
    begun = time.time()
    sign = 1 if JOBS[study].objective.mode == "max" else -1
    if tool == "tunepipe":
        options = ["--set", f"budget.seconds={seconds}", "--set", f"seed={seed}"]
        rows = tunepipe(f"bench_answer.py:{study}", *options).result["rows"]
    else:
        rows = peer("answer", tool, study, str(begun + seconds), str(seed), look=_lines).result["rows"]
    return sorted((at - begun, sign * value) for at, value in rows if value == value and at - begun <= seconds)


def _lines(folder: Path) -> dict[str, Any]:
    return {"rows": [tuple(map(float, line.split())) for line in (folder / "curve").read_text().splitlines()]}


def draw(samples: Mapping[str, Sequence[Mapping[str, Curve]]], path: str) -> None:
    """The best value so far over wall-clock time: a panel for each study, a line for each tool and round."""
    import matplotlib.pyplot as plt

    from pipeline.results import plots

    with plots.style():
        figure, (axes,) = plt.subplots(
            1, len(samples), squeeze=False, figsize=(3.2 * len(samples), 3.4), layout="constrained"
        )
        for ax, (study, rounds) in zip(axes, samples.items(), strict=True):
            for curves in rounds:
                # Ours is on top.
                for place, (tool, curve) in reversed(list(enumerate(curves.items()))):
                    at, values = zip(*curve, strict=True)
                    best, width = [abs(value) for value in accumulate(values, max)], 1.2 if place else 2.6
                    ax.step(at, best, where="post", color=f"C{place}", linewidth=width, label=tool)
            every = [abs(value) for curves in rounds for curve in curves.values() for _, value in curve]
            target = JOBS[study].objective
            best = max(every) if target.mode == "max" else min(every)
            ax.set(
                title=f"{study}: {target.metric}",
                xlabel="seconds",
                ylim=(median(every), best + (best - median(every)) / 20),
            )
        lines, tools = axes[0].get_legend_handles_labels()
        shown = dict(zip(tools[::-1], lines[::-1], strict=True))
        figure.legend(shown.values(), shown, loc="outside lower center", ncols=len(samples) + 1, frameon=False)
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["samples"]["answer"], sys.argv[2])
