"""A scheduler of Ray Tune's as one of ours: it sees stand-ins of Tune's trials and controller."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import (
    HyperBandScheduler,
    PopulationBasedTraining,
    PopulationBasedTrainingReplay,
    ResourceChangingScheduler,
    TrialScheduler,
)

from pipeline.execution.foreign import built, heard
from pipeline.schedulers import Chosen, Decision, RayScheduler, Scheduler, Setting
from pipeline.space import Config

__all__ = ["ForeignScheduler"]

_METRIC, _TIME = "objective", "training_iteration"
_UNFIT = {
    HyperBandScheduler: "it compares trials of a bracket that are all there before the first one runs; take hyperband",
    PopulationBasedTraining: "it hands weights over by Tune's own checkpoints; take pbt or pb2",
    PopulationBasedTrainingReplay: "it hands weights over by Tune's own checkpoints; take pbt or pb2",
    ResourceChangingScheduler: "a trial's resources stay as the job says",
}


@dataclass(eq=False)
class _StandIn:
    """What a scheduler of Ray's looks at of a trial."""

    trial_id: str
    config: Config
    status: str = TuneTrial.PENDING
    last_result: dict[str, Any] = field(default_factory=dict)

    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.status in (TuneTrial.TERMINATED, TuneTrial.ERROR)


class ForeignScheduler(Scheduler):
    """Asks a scheduler of Ray's; it is also what Ray's scheduler takes for the controller.

    Args:
        settings: The class's path and settings.
        setting: The study.

    Raises:
        InvalidJob: There is no such class, it does not take the settings, or it needs more of Tune than there is here.
    """

    def __init__(self, settings: RayScheduler, setting: Setting) -> None:
        self._path, self._setting = settings.kind, setting
        self._asked: TrialScheduler = built(
            "scheduler",
            settings.kind,
            settings.settings,
            base=TrialScheduler,
            unfit=_UNFIT,
            ours={"metric": _METRIC, "mode": setting.mode, "time_attr": _TIME},
            unless_given={"max_t": setting.epochs},
        )
        self._trials: dict[str, _StandIn] = {}

    # What Ray's scheduler asks the controller

    def get_trials(self) -> list[_StandIn]:
        """All trials; as long as there are some to draw, one that waits stands for them."""
        more = len(self._trials) < self._setting.trials
        return [*self._trials.values(), *([_StandIn("", {})] if more else [])]

    def get_live_trials(self) -> list[_StandIn]:
        """The trials that have not ended."""
        return [trial for trial in self._trials.values() if not trial.is_finished()]

    # What the session asks

    def add(self, trial_id: str, config: Config) -> None:
        """A trial was drawn."""
        self._trials[trial_id] = _StandIn(trial_id, dict(config))
        with heard("scheduler", self._path):
            self._asked.on_trial_add(self, self._trials[trial_id])

    def start(self, trial_id: str) -> None:
        """It runs from now on."""
        self._trials[trial_id].status = TuneTrial.RUNNING

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """It has finished an epoch. The last one is told as its end, as Tune does."""
        trial = self._trials[trial_id]
        if epoch <= trial.last_result.get(_TIME, 0):
            return Decision("continue", f"epoch {epoch} was decided before")
        trial.last_result = {_TIME: epoch, _METRIC: value, "trial_id": trial_id}
        reason = f"decided by {self._path}, which tells no reason"
        if epoch >= self._setting.epochs:
            return Decision("continue", reason)
        with heard("scheduler", self._path):
            action = self._asked.on_trial_result(self, trial, trial.last_result)
        if action == TrialScheduler.STOP:
            trial.status = TuneTrial.TERMINATED
            return Decision("stop", reason)
        if action == TrialScheduler.PAUSE:
            trial.status = TuneTrial.PAUSED
            return Decision("pause", reason)
        return Decision("continue", reason)

    def end(self, trial_id: str) -> None:
        """It ended; who was stopped by Ray's scheduler itself is not told of again."""
        trial = self._trials[trial_id]
        if trial.is_finished():
            return
        whole = trial.last_result.get(_TIME, 0) >= self._setting.epochs
        with heard("scheduler", self._path):
            if whole:
                self._asked.on_trial_complete(self, trial, trial.last_result)
            elif trial.status == TuneTrial.RUNNING:
                self._asked.on_trial_error(self, trial)
            else:
                self._asked.on_trial_remove(self, trial)
        trial.status = TuneTrial.TERMINATED

    def choose(self, candidates: Collection[str]) -> Chosen | None:
        """Who of those that are paused goes on."""
        with heard("scheduler", self._path):
            chosen = self._asked.choose_trial_to_run(self)
        if chosen is None or chosen.trial_id not in candidates:
            return None
        return Chosen(chosen.trial_id, f"chosen by {self._path}, which tells no reason")

    def state(self) -> dict[str, Any]:
        """Nothing: it cannot be saved, and its study is not resumed."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing is gone on with."""
