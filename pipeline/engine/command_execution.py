"""Execution of users' commands on a running study, with the outcome that is reported."""

from collections.abc import Iterable, Mapping

from pipeline.engine.commands import STOPPED_BY_USER, ChangeBudget, Command, Continue, Enqueue, Pause, StopTrial
from pipeline.engine.decision_rows import study_row
from pipeline.engine.limits import options_to_continue
from pipeline.engine.study_loop import StudyLoop
from pipeline.errors import InvalidJob
from pipeline.searchers import Suggestion
from pipeline.storage.layout import trial_id
from pipeline.study.faults import start_faults
from pipeline.study.trial_configs import completed
from pipeline.wording import format_number


def execute_new(loop: StudyLoop, commands: Iterable[tuple[str, Command | str]], *, session: int) -> dict[str, str]:
    """Carry out commands that users have given since the last call."""
    found: dict[str, str] = {}
    for name, command in commands:
        if isinstance(command, Pause | Continue) and command.session != session:
            command = f"It was for session {command.session}, which has ended."
        if isinstance(command, str):
            loop.commands.outcomes[name] = command
        found[name] = command if isinstance(command, str) else execute(loop, name, command)
    return found


def execute_waiting(loop: StudyLoop, commands: Iterable[tuple[str, Command | str]]) -> dict[str, str]:
    """Carry out the changes of the budget that wait for a study that resumes: they count before a limit ends it."""
    found: dict[str, str] = {}
    for name, command in commands:
        if isinstance(command, ChangeBudget):
            loop.end_reason = None
            found[name] = _execute(loop, name, command)
            loop.check_budget()
    return found


def execute(loop: StudyLoop, name: str, command: Command) -> str:
    """Execute a command of a user; a command that was executed before has no effect."""
    outcomes = loop.commands.outcomes
    if name not in outcomes:
        outcomes[name] = _execute(loop, name, command)
    return outcomes[name]


def _execute(loop: StudyLoop, name: str, command: Command) -> str:
    if loop.over and (refusal := _refusal(loop, command)) is not None:
        return refusal
    because = f": {command.reason}" if command.reason else ""
    said = f"(command {name})"
    match command:
        case StopTrial():
            return _stop(loop, command, f"{STOPPED_BY_USER}{because} {said}.")
        case Enqueue():
            return _enqueue(loop, name, command, f"A user enqueued it{because} {said}.")
        case Pause():
            if loop.commands.paused is not None:
                return "The study is already paused."
            loop.commands.paused = f"A user paused the study{because} {said}."
            loop.publish(study_row("pause", loop.commands.paused))
            return "The study is paused: running trials pause at their next report, and no trial starts."
        case Continue():
            if loop.commands.paused is None:
                return "The study is not paused."
            loop.commands.paused = None
            loop.publish(study_row("resume", f"A user resumed the study{because} {said}."))
            return "The study continues."
        case ChangeBudget():
            return _change_budget(loop, command, f"{because} {said}.")


def _refusal(loop: StudyLoop, command: Command) -> str | None:
    """Why a study that ends does not execute a command, and what to do instead; None if it does."""
    match command:
        case StopTrial():
            # It holds for a resume, too.
            return None
        case Enqueue():
            return (
                f"{_ending(loop)}: the config is not tried. Enqueue it once the study has ended, and resume it with "
                f"a larger budget, such as `tunepipe resume {loop.job.name} {' '.join(_options(loop, {}))}`."
            )
        case Pause() | Continue():
            return "The study is ending, so it cannot be paused or continued."
        case ChangeBudget():
            options = " ".join(_options(loop, _changes(command)))
            return (
                f"{_ending(loop)}: its budget is not changed. Once it has ended, "
                f"`tunepipe resume {loop.job.name} {options}` continues it."
            )


def _ending(loop: StudyLoop) -> str:
    """The beginning of a sentence that the study is ending, with the limit that it has reached, if any."""
    return f"The study is ending ({loop.end_reason.rstrip('.')})" if loop.end_reason else "The study is ending"


def _options(loop: StudyLoop, changes: Mapping[str, float]) -> list[str]:
    """Options that continue a study: the changes of its budget, and those for limits that they leave as they are."""
    given = {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    best, budget = loop.incumbent.best, loop.job.budget
    reached = best is not None and budget.target_reached(loop.job.objective, best.best, best.violation)
    needed = options_to_continue(
        loop.job, drawn=loop.drawn, seconds=loop.seconds(), epochs=loop.total_epochs, target_reached=reached
    )
    rest = [option for option in needed if option.split()[0] not in given]
    return [*(f"{name} {value}" for name, value in given.items()), *rest]


def _stop(loop: StudyLoop, command: StopTrial, reason: str) -> str:
    trial = loop.trials.get(command.trial_id)
    if trial is None:
        return f"There is no trial {command.trial_id}."
    if not trial.live:
        return f"Trial {trial.trial_id} has already ended: it is {trial.state}."
    running = trial.state == "running"
    loop.stop(trial, reason)
    return f"Trial {trial.trial_id} ends at its next report." if running else f"Trial {trial.trial_id} is stopped."


def _enqueue(loop: StudyLoop, name: str, command: Enqueue, reason: str) -> str:
    if not loop.takes_configs:
        return "A searcher of Ray Tune does not accept configs: nothing is enqueued."
    if faults := list(start_faults(loop.job.space, command.config, "config")):
        return f"The config cannot be tried: {'; '.join(map(str, faults))}."
    if loop.drawn >= loop.queue.limit:
        return (
            f"All {loop.queue.limit} trials of the budget are drawn: nothing is enqueued. Increase the number of "
            "trials."
        )
    loop.commands.enqueued.append(Suggestion(completed(loop.job, command.config, name), reason))
    return f"The config is tried next, as trial {trial_id(loop.drawn - 1)}."


def _change_budget(loop: StudyLoop, command: ChangeBudget, why: str) -> str:
    before, changes = loop.job.budget, _changes(command)
    try:
        job = loop.job.replaced({f"budget.{name}": value for name, value in changes.items()})
    except InvalidJob as error:
        return f"The budget is not changed: {'; '.join(map(str, error.faults))}."
    if not changes:
        return "The budget is unchanged: no limit was given."
    changed = ", ".join(
        f"{name} {format_number(value)} instead of {_limit(getattr(before, name))}" for name, value in changes.items()
    )
    loop.publish(study_row("budget", f"A user changed the budget ({changed}){why}"))
    loop.adopt(job)
    return f"The budget is changed: {changed}."


def _changes(command: ChangeBudget) -> Mapping[str, float]:
    """The limits that a command changes, by the names of the budget's fields."""
    names = ("trials", "total_epochs", "seconds")
    return {name: value for name in names if (value := getattr(command, name)) is not None}


def _limit(value: float | None) -> str:
    return "no limit" if value is None else format_number(value)
