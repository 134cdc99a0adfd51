"""A study of a scheduler alone, without an engine, a clock or training."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.schedulers import Decision, Scheduler, SchedulerContext, SchedulerSettings
from pipeline.space import Choice, Config, IntUniform, LogUniform, Switch, draw

Curve = Callable[[int], float]

SPACE = {
    "lr": LogUniform(1e-4, 1),
    "units": IntUniform(4, 64),
    "kind": Choice(["a", "b"]),
    "layers": Choice([[64, 32], None, {"units": [8]}]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


@dataclass
class Played:
    decisions: list[tuple[str, int, float, Decision]] = field(default_factory=list)
    ends: dict[str, list[str]] = field(default_factory=dict)
    needed: list[set[tuple[str, int]]] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    chosen: list[tuple[Decision, int]] = field(default_factory=list)
    """With the epoch at which the trial stood."""
    to_stop: list[tuple[str, int, Decision]] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Play:
    settings: SchedulerSettings
    trials: int = 8
    epochs: int = 9
    workers: int = 3
    seed: int = 0
    mode: str = "max"
    lost: frozenset[int] = frozenset()
    """At these steps the trial's worker is lost: it continues from its last milestone, and reports again."""
    failing: frozenset[str] = frozenset()
    """These trials fail at their second milestone."""
    diverging: frozenset[str] = frozenset()
    """The objective of these trials is NaN from the middle on: they end without a decision."""
    reloads: bool = False
    """Go through JSON before every step."""
    curves: Sequence[Curve] | None = None
    """Each trial's value by epoch, to be maximised; if the objective is minimised, the scheduler gets the negatives."""

    def built(self) -> Scheduler:
        return self.settings.build(SchedulerContext(SPACE, self.mode, self.epochs, self.trials, self.seed))

    def __call__(self) -> Played:
        played, scheduler, order = Played(), self.built(), np.random.default_rng(self.seed)
        configs: dict[str, Config] = {}
        epochs, saved = played.epochs, dict[str, int]()
        waiting, running = list[str](), list[str]()

        def end(trial: str, state: str) -> None:
            scheduler.end(trial)
            played.ends.setdefault(trial, []).append(state)

        def stop(candidates: list[str], *, exhausted: bool) -> None:
            for trial, decision in scheduler.trials_to_stop(tuple(candidates), exhausted=exhausted).items():
                waiting.remove(trial)
                end(trial, "stopped")
                played.to_stop.append((trial, epochs[trial], decision))

        for step in range(20 * self.trials * (self.epochs + 2)):
            if self.reloads:
                state = json.loads(json.dumps(scheduler.state(), allow_nan=False))
                scheduler = self.built()
                scheduler.restore(state)
            while len(running) < self.workers:
                chosen = scheduler.choose(tuple(waiting))
                stop([each for each in waiting if chosen is None or each != chosen.trial_id], exhausted=False)
                if chosen is not None:
                    trial = chosen.trial_id
                    waiting.remove(trial)
                    played.chosen.append((chosen, epochs[trial]))
                elif len(configs) < self.trials:
                    trial = f"{len(configs):04d}"
                    configs[trial] = draw(SPACE, np.random.default_rng([self.seed, len(configs)]))
                    epochs[trial] = saved[trial] = 0
                    scheduler.add(trial, configs[trial])
                else:
                    assert self.settings.pauses or not waiting, "a worker is left idle though a trial waits"
                    break
                running.append(trial)
                scheduler.start(trial)
                played.starts.append(trial)
            if not running:
                stop(waiting, exhausted=True)
                assert not waiting
                break
            trial = running[int(order.integers(len(running)))]
            epochs[trial] = epoch = self.settings.next_milestone(epochs[trial], self.epochs)
            if trial in self.diverging and epoch > self.epochs // 2:
                end(trial, "failed")
                running.remove(trial)
                continue
            value = self.value(configs[trial], epoch, int(trial))
            decision = scheduler.on_result(trial, epoch, value)
            played.decisions.append((trial, epoch, value, decision))
            played.needed.append(scheduler.needed_checkpoints())
            if step in self.lost and decision.action == "continue" and epoch < self.epochs:
                epochs[trial] = saved[trial]
                running.remove(trial)
                waiting.append(trial)
                continue
            saved[trial] = epoch
            if trial in self.failing and sum(each == trial for each, *_ in played.decisions) > 1:
                end(trial, "failed")
            elif decision.action == "stop" or epoch == self.epochs:
                end(trial, "stopped" if decision.action == "stop" else "completed")
            elif decision.action != "continue":
                configs[trial] = decision.config or configs[trial]
                waiting.append(trial)
            else:
                continue
            running.remove(trial)
        return played

    def value(self, config: Config, epoch: int, trial: int) -> float:
        speed = 1 + math.log10(float(config["lr"])) / 5 + trial * 1e-6
        learned = self.curves[trial](epoch) if self.curves else 1 - math.exp(-speed * epoch)
        return learned if self.mode == "max" else -learned
