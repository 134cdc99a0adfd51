"""A scheduler of Ray Tune as a scheduler of tunepipe: it sees stand-ins for Tune's trials and controller."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import (
    HyperBandScheduler,
    PopulationBasedTraining,
    PopulationBasedTrainingReplay,
    ResourceChangingScheduler,
    TrialScheduler,
)

from pipeline.execution.ray.plugin_class import build_plugin, plugin_errors
from pipeline.schedulers import Decision, RayScheduler, Scheduler, SchedulerContext, Selection
from pipeline.space import Config

_METRIC, _TIME = "objective", "training_iteration"
_UNSUPPORTED = {
    HyperBandScheduler: "it needs all trials of a bracket before the first one runs; use hyperband",
    PopulationBasedTraining: "it copies weights through Tune's own checkpoints; use pbt or pb2",
    PopulationBasedTrainingReplay: "it copies weights through Tune's own checkpoints; use pbt or pb2",
    ResourceChangingScheduler: "a trial's resources stay as the job says",
}


@dataclass(eq=False)
class _StandIn:
    """The attributes of a trial that schedulers of Ray Tune read."""

    trial_id: str
    config: Config
    status: str = TuneTrial.PENDING
    last_result: dict[str, Any] = field(default_factory=dict)

    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.status in (TuneTrial.TERMINATED, TuneTrial.ERROR)


class PluginScheduler(Scheduler):
    """Asks a scheduler of Ray Tune, to which it is also the controller."""

    def __init__(self, settings: RayScheduler, context: SchedulerContext) -> None:
        self._path, self._context = settings.kind, context
        self._plugin: TrialScheduler = build_plugin(
            "scheduler",
            settings.kind,
            settings.settings,
            base=TrialScheduler,
            unsupported=_UNSUPPORTED,
            reserved={"metric": _METRIC, "mode": context.mode, "time_attr": _TIME},
            defaults={"max_t": context.epochs},
        )
        self._trials: dict[str, _StandIn] = {}

    # What Ray Tune's scheduler calls on its controller

    def get_trials(self) -> list[_StandIn]:
        """All trials; while there are more to draw, one pending trial stands for them."""
        more = len(self._trials) < self._context.trials
        return [*self._trials.values(), *([_StandIn("", {})] if more else [])]

    def get_live_trials(self) -> list[_StandIn]:
        """The trials that have not ended."""
        return [trial for trial in self._trials.values() if not trial.is_finished()]

    # What the study loop calls

    def add(self, trial_id: str, config: Config) -> None:
        """Add a trial that was drawn."""
        self._trials[trial_id] = _StandIn(trial_id, dict(config))
        with plugin_errors("scheduler", self._path):
            self._plugin.on_trial_add(self, self._trials[trial_id])

    def start(self, trial_id: str) -> None:
        """Mark a trial as running."""
        self._trials[trial_id].status = TuneTrial.RUNNING

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch; the last epoch counts as the trial's end, as in Tune."""
        trial = self._trials[trial_id]
        if epoch <= trial.last_result.get(_TIME, 0):
            return Decision("continue", f"epoch {epoch} was decided before")
        trial.last_result = {_TIME: epoch, _METRIC: value, "trial_id": trial_id}
        reason = f"decided by {self._path}, which gives no reason"
        if epoch >= self._context.epochs:
            return Decision("continue", reason)
        with plugin_errors("scheduler", self._path):
            action = self._plugin.on_trial_result(self, trial, trial.last_result)
        if action == TrialScheduler.STOP:
            trial.status = TuneTrial.TERMINATED
            return Decision("stop", reason)
        if action == TrialScheduler.PAUSE:
            trial.status = TuneTrial.PAUSED
            return Decision("pause", reason)
        return Decision("continue", reason)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """End a trial; one that Ray Tune's scheduler has stopped is not reported to it again."""
        trial = self._trials[trial_id]
        if trial.is_finished():
            return
        whole = trial.last_result.get(_TIME, 0) >= self._context.epochs
        with plugin_errors("scheduler", self._path):
            if whole:
                self._plugin.on_trial_complete(self, trial, trial.last_result)
            elif trial.status == TuneTrial.RUNNING:
                self._plugin.on_trial_error(self, trial)
            else:
                self._plugin.on_trial_remove(self, trial)
        trial.status = TuneTrial.TERMINATED

    def limit_trials(self, trials: int) -> None:
        """Set the largest number of trials."""
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """The paused trial that resumes."""
        with plugin_errors("scheduler", self._path):
            chosen = self._plugin.choose_trial_to_run(self)
        if chosen is None or chosen.trial_id not in candidates:
            return None
        return Selection(chosen.trial_id, f"chosen by {self._path}, which gives no reason")

    def state(self) -> dict[str, Any]:
        """Nothing: its state cannot be saved, and its study cannot be resumed."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""
