"""The trials that a free worker can start or continue."""

from collections import deque
from typing import Any

from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.draws import own_draw
from pipeline.engine.trial import Trial
from pipeline.engine.trial_queue import TrialQueue
from pipeline.schedulers import Hyperband, PromotingASHA, Scheduler, SchedulerContext
from pipeline.searchers import Suggestion
from pipeline.study import Budget
from tests.unit.simulation.simulation_inputs import job


class Queue:
    """A queue of trials with the objects that it needs."""

    def __init__(self, scheduler: Any, trials: int, epochs: int, *, draw: Any = None) -> None:
        tuned = job(scheduler=scheduler, budget=Budget(trials=trials, epochs=epochs))
        context = SchedulerContext(tuned.space, "max", epochs, trials, 0)
        self.scheduler: Scheduler = tuned.scheduler.build(context)
        self.rows: list[DecisionRow] = []
        self.trials: dict[str, Trial] = {}
        self.enqueued: deque[Suggestion] = deque()
        self.queue = TrialQueue(
            tuned,
            self.scheduler,
            self.trials,
            draw=draw or own_draw(tuned),
            enqueued=self.enqueued,
        )

    def take(self) -> Trial | None:
        """Start the trial that runs next."""
        trial, rows = self.queue.take()
        self.rows += rows
        return trial

    def report(self, trial: Trial, value: float) -> None:
        """Let a trial reach epoch 1, where its scheduler pauses it."""
        trial.epoch, trial.value = 1, value
        assert self.scheduler.on_result(trial.trial_id, 1, value).action == "pause"
        self.queue.pause(trial)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds of all decisions until now."""
        return [(row.trial_id, row.kind) for row in self.rows]


def test_the_counts_can_be_read_while_trials_change() -> None:
    """Another thread can read the counts of states while a trial gets a state that none had, even after a resume."""
    for rebuilt in (False, True):
        queue = Queue("fifo", trials=2, epochs=4)
        if rebuilt:
            queue.queue.rebuild()
        counts = iter(queue.queue.counts.items())
        first = next(counts)
        assert queue.take() is not None
        assert dict([first, *counts])["running"] == 1


def test_new_trials_are_drawn_up_to_the_limit() -> None:
    """Up to the limit, new trials are drawn and started with their config and the reason of the draw."""
    queue = Queue("fifo", trials=2, epochs=4)
    taken = [queue.take() for _ in range(3)]
    assert [trial and (trial.trial_id, trial.state, trial.started) for trial in taken] == [
        ("0000", "running", True),
        ("0001", "running", True),
        None,
    ]
    assert [(row.kind, row.epoch, row.config_after) for row in queue.rows] == [
        ("start", 0, queue.trials["0000"].config),
        ("start", 0, queue.trials["0001"].config),
    ]
    assert queue.rows[0].reason == "Drawn by the searcher."


def test_nothing_is_started_while_the_searcher_has_none() -> None:
    """No trial is created or started while the searcher has no config."""
    queue = Queue("fifo", trials=2, epochs=4, draw=lambda *_: None)
    assert queue.take() is None
    assert queue.trials == {}


def test_a_promotion_is_a_decision_with_its_rung() -> None:
    """A promotion is one decision with its rung, cutoff and value, without a separate resume."""
    queue = Queue(PromotingASHA(grace_period=1, reduction_factor=2), trials=4, epochs=4)
    for value in (0.1, 0.4):
        queue.report(queue.take(), value)
    assert queue.take() is queue.trials["0001"]
    row = queue.rows[-1]
    assert (row.kind, row.epoch, row.rung, row.cutoff, row.value) == ("promote", 1, 1, 0.4, 0.4)
    assert queue.kinds == [("0000", "start"), ("0001", "start"), ("0001", "promote")]


def test_a_restored_trial_resumes_where_it_was() -> None:
    """After a restore, a paused trial resumes, one that never started is started, and a stopped one is not."""
    queue = Queue("fifo", trials=3, epochs=4)
    queue.trials["0000"] = Trial("0000", {"x": 0.1}, 0, state="paused", epoch=2, started=True)
    queue.trials["0001"] = Trial("0001", {"x": 0.2}, 0)
    queue.trials["0002"] = Trial("0002", {"x": 0.3}, 0, state="stopped", epoch=2, started=True)
    queue.queue.rebuild()
    assert not queue.queue.running
    assert [trial and trial.trial_id for trial in (queue.take(), queue.take(), queue.take())] == [
        "0000",
        "0001",
        None,
    ]
    assert queue.queue.running
    assert queue.kinds == [("0000", "resume"), ("0001", "start")]
    assert queue.rows[0].reason == "Continues after epoch 2: the earliest of those that wait."


def test_a_trial_that_loses_its_bracket_is_stopped_soon() -> None:
    """A trial whose bracket is lost is stopped at the next request of a worker, not at the study's end."""
    queue = Queue(Hyperband(reduction_factor=2), trials=9, epochs=2)
    for value in (0.2, 0.4):
        queue.report(queue.take(), value)
    assert queue.take() is queue.trials["0001"]
    assert (queue.trials["0000"].state, queue.trials["0000"].cut_off) == ("stopped", False)
    assert ("0000", "stop") in queue.kinds


def test_a_limit_ends_waiting_trials() -> None:
    """A limit ends waiting trials in the order of their draw, and they may continue if the limit is raised."""
    queue = Queue(PromotingASHA(grace_period=1, reduction_factor=2), trials=2, epochs=4)
    first, second = queue.take(), queue.take()
    queue.report(second, 0.1)
    queue.report(first, 0.2)
    queue.rows += queue.queue.cut_off("The budget is spent.")
    stops = [(row.trial_id, row.reason) for row in queue.rows if row.kind == "stop"]
    assert stops == [("0000", "The budget is spent."), ("0001", "The budget is spent.")]
    assert all(trial.state == "stopped" and trial.cut_off for trial in queue.trials.values())
    assert not queue.queue.running


def test_remaining_trials_are_stopped_with_a_reason() -> None:
    """Waiting trials are stopped when none runs or can be chosen, and may continue with a larger budget."""
    queue = Queue(PromotingASHA(grace_period=1, reduction_factor=2), trials=2, epochs=4)
    for value in (0.1, 0.4):
        queue.report(queue.take(), value)
    queue.rows += queue.queue.exhaust()
    assert all(trial.state == "stopped" and trial.cut_off for trial in queue.trials.values())
    assert ["at rung 1" in row.reason for row in queue.rows if row.kind == "stop"] == [True, True]


def test_an_ended_trial_is_not_offered_again() -> None:
    """An ended trial is not offered to the scheduler again, which chooses among the others."""
    queue = Queue(PromotingASHA(grace_period=1, reduction_factor=2), trials=2, epochs=4)
    for value in (0.1, 0.4):
        queue.report(queue.take(), value)
    best = queue.take()
    queue.queue.end(best, "failed")
    assert best.state == "failed"
    assert queue.take() is queue.trials["0000"]


def test_an_enqueued_config_takes_no_draw_of_the_searcher() -> None:
    """The searcher's draws are numbered without the configs that users enqueued, so that a grid loses no point."""
    numbers: list[int] = []

    def draw(number: int, *_: Any) -> Suggestion:
        numbers.append(number)
        return Suggestion({"x": 0.1 * number}, "drawn")

    queue = Queue("fifo", trials=4, epochs=4, draw=draw)
    queue.take()
    queue.enqueued.append(Suggestion({"x": 0.9}, "enqueued"))
    taken = [queue.take() for _ in range(3)]
    assert [trial is not None and trial.enqueued for trial in taken] == [True, False, False]
    assert numbers == [0, 1, 2]
