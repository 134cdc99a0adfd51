"""A study that is played without a driver: an engine, its decisions, and reports that a test writes down."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.engine.commands import Command
from pipeline.engine.draws import Draw
from pipeline.engine.engine import Engine, Verdict
from pipeline.engine.messages import EpochRow, Report
from pipeline.engine.trial import SAVED_STATE, DecisionRow, StateText, Trial
from pipeline.study import Budget, Objective, TuneJob
from tests.simulation_inputs import SPACE


def never_called(config: Mapping[str, Any]) -> Any:
    raise AssertionError


def job(**fields: Any) -> TuneJob:
    given: dict[str, Any] = {
        "name": "played",
        "model": never_called,
        "data": "digits",
        "space": SPACE,
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=4, epochs=4),
        **fields,
    }
    return TuneJob(**given)


def row(epoch: int, value: float | None, /, *, parameters: int | None = None, **metrics: float) -> EpochRow:
    """An epoch with that score; no score if it is None."""
    scores = {} if value is None else {"score": value}
    return EpochRow(
        attempt=1, segment=1, epoch=epoch, model_epoch=epoch, metrics={**scores, **metrics}, learning_rate=0.1,
        updates=None, parameters=parameters, seconds_build=0.0, seconds_train=0.2, seconds_evaluate=0.1,
        seconds_checkpoint=0.0, bytes_checkpoint=0, time=1e9, node="here", trained_with=None, phase=None,
    )  # fmt: skip


class Play:
    def __init__(
        self, tuned: TuneJob | None = None, *, session: int = 1, draw: Draw | None = None, **fields: Any
    ) -> None:
        self.decisions: list[DecisionRow] = []
        self.now = 0.0
        self.engine = Engine(
            tuned or job(**fields), self.decisions.append, lambda: self.now, session=session, draw=draw
        )

    def next(self) -> Trial:
        trial = self.engine.next()
        assert trial is not None
        return trial

    def report(self, trial: Trial, *values: float | None, last: bool = False, start: int | None = None) -> Verdict:
        """Report epochs with these scores, by default those after the trial's last one."""
        first = trial.epoch + 1 if start is None else start
        rows = [row(epoch, value) for epoch, value in enumerate(values, first)]
        return self.engine.on_report(trial.trial_id, Report(rows, last=last))

    def fail(self, trial: Trial, failure: str = "ValueError: no") -> Verdict:
        return self.engine.on_report(trial.trial_id, Report(failure=failure))

    def command(self, command: Command, name: str = "c1") -> str:
        return self.engine.on_command(name, command)

    def resumed(self, *, files: Sequence[tuple[str, int]] = (), session: int = 2, **changes: Any) -> "Play":
        """The next session of the study, with other fields of the job."""
        before = self.engine.job
        play = Play(before.replaced(changes), session=session)
        state = SAVED_STATE.validate_json(StateText(self.engine.saved_state).text())
        play.engine.restore(state, set(files), epochs_before=before.budget.epochs)
        return play

    def kinds(self, trial_id: str | None = None) -> list[str]:
        return [one.kind for one in self.decisions if trial_id in (None, one.trial_id)]
