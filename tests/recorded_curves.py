"""A study that is driven by recorded curves instead of training: everything of a session but Keras and Ray."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.engine import Engine
from pipeline.engine.messages import EXPORT, EpochRow, Report
from pipeline.engine.trial import SAVED_STATE, SavedState, StateText
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session import Session
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob, save_study
from tests.stored_tables import stored_table


def steps(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A function objective that is never called here."""
    yield {"score": config["x"]}


def row(epoch: int, value: float, /, *, attempt: int = 1, segment: int = 1, **metrics: float) -> EpochRow:
    """An epoch with that score."""
    return EpochRow(
        attempt=attempt, segment=segment, epoch=epoch, model_epoch=epoch, metrics={"score": value, **metrics},
        learning_rate=0.1, updates=None, parameters=None, seconds_build=0.0, seconds_train=0.2, seconds_evaluate=0.1,
        seconds_checkpoint=0.0, bytes_checkpoint=0, time=1e9, node="here", trained_with=None, phase=None,
    )  # fmt: skip


def stored_state(engine: Engine) -> SavedState:
    """What a later session reads of a study's state."""
    return SAVED_STATE.validate_json(StateText(engine.saved_state).text())


@dataclass
class Study:
    """A session with its store."""

    session: Session
    recorder: Recorder
    store: Store

    def play(self, curves: Callable[[str, Mapping[str, Any], int], float]) -> list[str]:
        """Train every trial along its curve until the study ends; returns the order of assignments."""
        order = []
        while (assignment := self.session.next()) is not None:
            order.append(assignment.trial_id)
            if assignment.task == EXPORT:
                self.session.on_report(assignment.trial_id, Report(exported={}))
                continue
            epochs = self.session.job.budget.epochs
            epoch = self.session.engine.trials[assignment.trial_id].epoch
            verdict = "continue"
            while verdict == "continue":
                milestone = self.session.job.scheduler.next_milestone(epoch, epochs)
                trial_id = assignment.trial_id
                rows = [row(e, curves(trial_id, assignment.config, e)) for e in range(epoch + 1, milestone + 1)]
                epoch = milestone
                report = Report(rows, last=epoch >= epochs, checkpoints=[(trial_id, epoch, 1)])
                verdict = self.session.on_report(trial_id, report)
        return order


def new_study(folder: Path, **fields: Any) -> Study:
    """A study of a function job in a folder; keyword arguments are the job's fields."""
    defaults: dict[str, Any] = {
        "name": "s",
        "function": steps,
        "space": {"x": Uniform(0, 1)},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=4, epochs=4),
    }
    job = TuneJob(**{**defaults, **fields})
    store = Store(folder)
    save_study(store, job)
    recorder = Recorder(store, job, session=1)
    return Study(Session(job, store, recorder), recorder, store)


def kinds(study: Study, trial_id: str) -> Sequence[str]:
    """What was decided about a trial, in order."""
    table = stored_table(study.store, "decisions")
    rows = sorted(table.to_pylist(), key=lambda r: r["number"])
    return [r["kind"] for r in rows if r["trial_id"] == trial_id]
