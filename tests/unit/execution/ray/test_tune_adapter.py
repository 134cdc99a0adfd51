"""A session as Ray Tune sees it, without Ray: Tune's controller and trials are fakes."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from pipeline.engine.messages import Assignment, Report
from pipeline.errors import StorageError
from pipeline.execution.ray import tune_adapter
from pipeline.execution.ray.trainable import ASSIGNMENT, REPORT
from pipeline.execution.ray.tune_adapter import SessionScheduler, SessionSearcher, SessionStopper
from pipeline.schedulers import PromotingASHA
from pipeline.study import Budget, Resources
from tests.recorded_curves import Study, kinds, row


class _Trial:
    """What the adapter uses of a trial of Tune's."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.trial_id = config, f"tune-{config[ASSIGNMENT]}"
        self.status, self.error_file, self.max_failures = TuneTrial.RUNNING, None, 0
        self.run_metadata = SimpleNamespace(num_failures=0)
        self.temporary_state = SimpleNamespace(ray_actor=None)

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    @property
    def assignment(self) -> Assignment:
        return Assignment.from_json(self.config[ASSIGNMENT])


class _Tune:
    """Tune's controller on this many workers."""

    def __init__(self, study: Study, workers: int) -> None:
        self.searcher = SessionSearcher(study.session, workers)
        self.scheduler = SessionScheduler(self.searcher)
        self.paused: list[_Trial] = []
        self._tune_controller = SimpleNamespace(_maybe_cache_trial_actor=lambda _: True)

    def pause_trial(self, trial: _Trial, should_checkpoint: bool) -> None:
        """Keep a trial that is paused; the worker has saved already."""
        assert not should_checkpoint
        self.paused.append(trial)

    def start(self) -> _Trial | None:
        """Start the trial that the searcher suggests, or resume the one that the scheduler chooses."""
        suggested = self.searcher.suggest("")
        if suggested is None or suggested == Searcher.FINISHED:
            return self.scheduler.choose_trial_to_run(self)
        trial = _Trial(suggested)
        self.scheduler.on_trial_add(self, trial)
        return trial

    def report(self, trial: _Trial, *values: float, first: int = 1, last: bool = False) -> str:
        rows = tuple(row(epoch, value) for epoch, value in enumerate(values, first))
        report = Report(rows, last=last)
        return self.scheduler.on_trial_result(self, trial, {REPORT: report.to_bytes()})


def test_new_trials_are_suggested_while_a_worker_is_free(study: Any) -> None:
    tune = _Tune(study(budget=Budget(trials=3, epochs=2)), workers=2)
    first, second = tune.start(), tune.start()
    assert [trial.assignment.trial_id for trial in (first, second) if trial] == ["0000", "0001"]
    assert tune.searcher.suggest("") is None
    assert tune.report(first, 0.1, 0.2, last=True) == TrialScheduler.STOP
    third = tune.start()
    assert tune.report(third, 0.1, 0.2, last=True) == TrialScheduler.STOP
    assert tune.report(second, 0.1) == TrialScheduler.CONTINUE
    assert tune.searcher.suggest("") is None
    assert tune.report(second, 0.2, first=2, last=True) == TrialScheduler.STOP
    assert tune.searcher.suggest("") == Searcher.FINISHED


def test_a_paused_trial_resumes_with_a_new_assignment(study: Any) -> None:
    s = study(scheduler=PromotingASHA(grace_period=1, reduction_factor=2), budget=Budget(trials=2, epochs=2))
    tune = _Tune(s, workers=1)
    first = tune.start()
    assert tune.report(first, 0.9) == TrialScheduler.NOOP
    second = tune.start()
    assert tune.report(second, 0.1) == TrialScheduler.NOOP
    assert tune.paused == [first, second]
    assert tune.start() is first
    assert first.assignment.reported_epoch == 1
    assert tune.report(first, 0.95, first=2, last=True) == TrialScheduler.STOP


def test_a_trial_whose_worker_is_lost_gets_another_attempt(study: Any) -> None:
    s = study(budget=Budget(trials=1, epochs=4))
    tune = _Tune(s, workers=1)
    trial = tune.start()
    for attempt in (2, 3, 4):
        tune.scheduler.on_trial_error(tune, trial)
        trial.run_metadata.num_failures += 1
        assert trial.assignment.attempt == attempt
    tune.scheduler.on_trial_error(tune, trial)
    assert tune.searcher.suggest("") == Searcher.FINISHED
    s.recorder.close("ended")
    assert kinds(s, "0000") == ["start", "retry", "retry", "retry", "fail"]


def test_a_worker_that_dies_before_the_trial_began_is_counted_once(study: Any) -> None:
    """A trial that Tune gives up before it began gets its second attempt as a new trial of Tune."""
    s = study()
    tune = _Tune(s, workers=1)
    trial = tune.start()
    trial.status = TuneTrial.PENDING
    tune.scheduler.on_trial_error(tune, trial)
    again = tune.start()
    assert again is not None
    assert again is not trial
    assert again.assignment.attempt == 2


def test_a_full_disk_ends_the_study_and_not_tune(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s = study()
    tune = _Tune(s, workers=1)
    trial = tune.start()
    monkeypatch.setattr(s.session, "on_report", Mock(side_effect=StorageError("The disk is full.")))
    assert tune.report(trial, 0.1) == TrialScheduler.STOP
    assert isinstance(s.session.fatal, StorageError)


def test_tune_s_loop_ends_with_the_study_or_a_signal(study: Any) -> None:
    s = study()
    stopper = SessionStopper(s.session)
    s.session.next()
    assert not stopper("tune-0", {})
    assert not stopper.stop_all()
    s.session.interrupts.requested = True
    assert stopper.stop_all()
    assert s.session.engine.interrupted


def test_a_silent_worker_hangs_after_many_of_its_longest_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(tune_adapter, "time", SimpleNamespace(monotonic=lambda: clock.now))
    detection = tune_adapter.HangDetection(Resources(), workers=1)
    detection.on_report("0000", [{**row(1, 0.5), "seconds_train": 100.0}])
    clock.now = 1900.0
    running = {"0000": 0, "0001": 0, "0002": 30}
    assert detection.hung(running) == {}
    clock.now = 2100.0
    assert detection.hung(running) == {"0000": 2100.0}
    # The last one replays 30 epochs.
    clock.now = 1900.0 + 4900
    assert detection.hung(running).keys() == {"0001"}
    detection.on_report("0002", [row(31, 0.5)])
    clock.now += 2100
    assert "0002" in detection.hung(running)
