"""The rules that turn the facts of a rehearsal into findings."""

import math
import re
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import errors
from pipeline.datasets.fingerprint import unnoticed_changes
from pipeline.execution.driver.resumability import unsaved_state
from pipeline.execution.preflight.common_choice import common_choice
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Finding, Trained, Unbuilt
from pipeline.execution.worker.missing_objective import choose_objective
from pipeline.execution.worker.weight_compatibility import mismatch_advice, mismatch_text
from pipeline.results.analysis.failures import first_line
from pipeline.space import Config
from pipeline.storage.schema import MEASURES
from pipeline.study import TuneJob
from pipeline.study.function_source import is_saved
from pipeline.study.sources import Sources
from pipeline.wording import counted, rough_duration, size

__all__ = [
    "data_finding",
    "epoch_finding",
    "exactness_finding",
    "failed_finding",
    "finite",
    "labels_finding",
    "misses_objective",
    "models_finding",
    "objective_finding",
    "source_finding",
    "user_frame",
    "weights_finding",
]

_FRAME = re.compile(
    r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<where>.+)\n(?: {4,}(?P<code>.+))?', re.MULTILINE
)
_LONGEST = 400
_SEEDED = "Draw from random, numpy.random or keras.random, which are seeded."


def finite(job: TuneJob, trained: Trained) -> bool:
    """Whether the loss and the objectives of a trial's epoch are finite, as far as it reports them.

    Args:
        job: The study's job.
        trained: The epoch.
    """
    looked_at = {"loss", *(objective.metric for objective in job.objectives)}
    return all(math.isfinite(value) for name, value in trained.metrics.items() if name in looked_at)


def user_frame(trace: str, sources: Mapping[str, str]) -> str:
    """The line of the user's code at which an error occurred; empty where there is none.

    Args:
        trace: A traceback.
        sources: File that ran → file that the user wrote, for copies of a job's sources.
    """
    own = [found for found in _FRAME.finditer(trace) if _is_users(found["file"])]
    if not own:
        return ""
    last = own[-1]
    place = f"{sources.get(last['file'], last['file'])}, line {last['line']}, in {last['where']}"
    return f"{place}: {last['code'].strip()}" if last["code"] else place


def failed_finding(name: str, failed: Failed, sources: Mapping[str, str], advice: str) -> Finding:
    """The finding of a stage that failed.

    Args:
        name: What was checked.
        failed: What happened.
        sources: As for `user_frame`.
        advice: What to do.
    """
    return Finding(name, "fault", _with_frame(failed.message, failed.trace, sources), advice)


def data_finding(facts: DataFacts, *, of_config: bool = False) -> Finding:
    """Whether a model can learn from the data: shapes, rows, numbers that are not finite.

    Args:
        facts: The data set.
        of_config: Whether the data function takes the trial's config.
    """
    parts = [f"{count:,} {name} rows" for name, count in facts.rows.items()] if facts.pipelines else []
    parts += [f"{name} is {text}" for name, text in facts.pipelines.items()]
    rows = ", ".join(f"{count:,} {name}" for name, count in facts.rows.items())
    classes = f", {facts.classes} classes" if facts.classes else ""
    shapes = f"inputs {facts.inputs}, targets {facts.targets or 'none'}"
    found = f"{facts.name}: {rows} rows; {shapes}{classes}; {size(facts.bytes)}"
    if parts:
        found = f"{facts.name}: {'; '.join(parts)}{classes}"
    if facts.strange:
        listed = ", ".join(f"{count} in the {where}" for where, count in facts.strange.items())
        return Finding(
            "data", "fault", f"{found}. Not finite: {listed}", "Fill or drop these rows: the loss would be NaN."
        )
    if facts.changed:
        text = f"{found}. They are not those that the study began with: {'; '.join(facts.changed)}"
        return Finding("data", "fault", text, "Restore them, or accept these with --accept-changes.")
    if facts.unsteady:
        text = f"{found}. The data function returns others each time it is called: {'; '.join(facts.unsteady)}"
        if of_config:
            # A trial's data are compared with those of earlier trials that have the same values.
            return Finding("data", "fault", f"{text}; trials would fail", _SEEDED)
        return Finding("data", "warning", text, _SEEDED)
    if unnoticed := unnoticed_changes(facts.fingerprint):
        found += f". {unnoticed[0].upper()}{unnoticed[1:]}"
    if facts.unseen:
        columns = ", ".join(map(str, facts.unseen))
        advice = "Mix the rows before they are split."
        return Finding("data", "warning", f"{found}. The training split has no row of class {columns}", advice)
    return Finding("data", "ok", found)


def epoch_finding(job: TuneJob, trained: Sequence[Trained], sources: Mapping[str, str]) -> Finding:
    """Whether the first epoch of a trial runs.

    Args:
        job: The study's job.
        trained: What was tried, in order: another config where the loss or the objective was not finite.
        sources: As for `user_frame`.
    """
    last = trained[-1]
    what = "epoch" if job.model is not None else "step"
    if last.message is not None and finite(job, last) and not misses_objective(job, last):
        advice = "Fix it, and check again."
        return Finding("epoch", "fault", _with_frame(last.message, last.trace, sources), advice)
    if not finite(job, last):
        advice = "Look at the data, or make the learning rates of the space smaller."
        tried = "; ".join(shown(each.config) for each in trained)
        found = f"The loss or the objective is not finite with any config that was tried: {tried}"
        return Finding("epoch", "fault", found, advice)
    build = f", {rough_duration(last.seconds_build)} to build its model" if job.model is not None else ""
    found = f"trial {last.trial_id} trains: {rough_duration(last.seconds_epoch)} an {what}{build}"
    found = found.replace("an step", "a step")
    if len(trained) > 1:
        bad = "; ".join(shown(each.config) for each in trained[:-1])
        advice = "Smaller learning rates may do; trials of such configs fail, and the study continues."
        return Finding("epoch", "warning", f"{found}. The loss or the objective is not finite with {bad}", advice)
    if last.notes:
        return Finding("epoch", "warning", f"{found}. {' '.join(f'{n[0].upper()}{n[1:]}' for n in last.notes)}")
    return Finding("epoch", "ok", found)


def misses_objective(job: TuneJob, trained: Trained) -> bool:
    """Whether the only failure is that the objective is not among the metrics, which is its own finding.

    Args:
        job: The study's job.
        trained: The epoch.
    """
    return not trained.trace and bool(trained.metrics) and job.objective.metric not in trained.metrics


def objective_finding(job: TuneJob, trained: Trained) -> Finding:
    """Whether the training reports the job's objectives.

    Args:
        job: The study's job.
        trained: The epoch.
    """
    there = ", ".join(trained.metrics)
    known = {*trained.metrics, *(MEASURES if job.model is not None else ("seconds_train",))}
    missing = [objective.metric for objective in job.objectives[1:] if objective.metric not in known]
    if job.objective.metric not in trained.metrics:
        return Finding(
            "objective",
            "fault",
            f"There is no metric {job.objective.metric!r}; there are {there}",
            choose_objective(job, list(trained.metrics)),
        )
    value = trained.metrics[job.objective.metric]
    found = f"{job.objective.metric} ({job.objective.mode}) is {value:.4g} after the first epochs; metrics: {there}"
    if trained.without_validation is not None:
        text = trained.without_validation
        return Finding("objective", "warning", f"{found}. {text[0].upper()}{text[1:]}")
    if missing:
        advice = "Trials are judged by the first objective alone, so the study runs."
        return Finding("objective", "warning", f"{found}. There is no {', '.join(missing)}", advice)
    return Finding("objective", "ok", found)


def labels_finding(trained: Trained) -> Finding:
    """Whether the targets fit the model's output and loss.

    Args:
        trained: The epoch.
    """
    if trained.mismatch is None:
        return Finding("labels", "ok", "targets fit the model's output")
    return Finding("labels", "fault", trained.mismatch, "Change the last layer, the loss or the targets.")


def models_finding(built: Built, sources: Mapping[str, str]) -> Finding:
    """Whether models of other configs can be built.

    Args:
        built: The configs.
        sources: As for `user_frame`.
    """
    count = len(built.configs) + len(built.failures)
    if not built.failures:
        return Finding("configs", "ok", f"models of {count} configs from all over the space can be built")
    first: Unbuilt = built.failures[0]
    incompatible = common_choice([each.config for each in built.failures], built.configs)
    where = (
        f"every config with {incompatible[0]}={incompatible[1]!r}"
        if incompatible
        else f"among them {shown(first.config)}"
    )
    text = _with_frame(first.message, first.trace, sources)
    advice = f"Fix it, or remove it from the space; trial {first.trial_id} of the study would fail."
    return Finding(
        "configs", "fault", f"{len(built.failures)} of {count} configs give no model, {where}: {text}", advice
    )


def weights_finding(job: TuneJob, facts: Exchanged) -> Finding:
    """Whether trials can take over each other's weights.

    Args:
        job: The study's job, its scheduler one that exploits.
        facts: Which parameters change the model's variables.
    """
    if facts.mismatches:
        return Finding("weights", "fault", mismatch_text(job, facts.mismatches), mismatch_advice(job, facts.mismatches))
    found = f"no parameter changes the model's variables: under {job.scheduler.kind} any trial can take over another's"
    return Finding("weights", "ok", found)


def source_finding(job: TuneJob, sources: Sources) -> Finding:
    """Which of the job's code the study would copy.

    Args:
        job: The study's job.
        sources: Its code.
    """
    if not job.resumable:
        advice = "Define them with def at the top of a file."
        return Finding("source", "warning", f"{_unsaved_functions(job)}: the study cannot be resumed", advice)
    if not sources.files:
        return Finding("source", "ok", "the study's own copies")
    found = f"copied into the study: {sources}"
    if sources.uncopied:
        advice = f"`resume` and `rerun` need it where it is now: {', '.join(map(str, sources.folders))}."
        return Finding("source", "warning", f"{found}. Not copied: {'; '.join(sources.uncopied)}", advice)
    return Finding("source", "ok", found)


def exactness_finding(
    job: TuneJob, trained: Trained, sources: Sources | None = None, unsteady: Sequence[str] = ()
) -> Finding:
    """Whether a trial that was killed resumes exactly.

    Args:
        job: The study's job.
        trained: Its first epochs.
        sources: Its code; all of it is copied unless given.
        unsteady: How the data function's second call differs from its first, in words.
    """
    if (why := unsaved_state(job)) is not None:
        advice = (
            "Interrupted or killed, it stays as it is then; with tunepipe's own schedulers and searchers it resumes."
        )
        return Finding("resume", "warning", f"The study cannot be resumed: {why}", advice)
    if unsteady:
        text = (
            "A resume refuses other data than those that the study began with, and the data function returns others "
            f"each time it is called: {'; '.join(unsteady)}"
        )
        return Finding("resume", "warning", text, f"{_SEEDED} --accept-changes resumes with other data.")
    if trained.inexact is not None:
        advice = "The study can be resumed all the same; what was trained twice may differ."
        return Finding(
            "resume", "warning", f"A trial that is resumed after a kill may differ: {trained.inexact}", advice
        )
    how = "resumes exactly from its checkpoint"
    if trained.replays:
        steps, seconds = job.budget.epochs, job.budget.epochs * trained.seconds_epoch
        how = f"is replayed from its first step, which takes up to {rough_duration(seconds)} ({counted(steps, 'step')})"
    if not job.resumable:
        text = f"after a kill a trial cannot be resumed: {_unsaved_functions(job)}"
        return Finding("resume", "warning", text, "Define them with def at the top of a file.")
    if sources is not None and sources.uncopied:
        text = f"after a kill a trial {how}, if what the study does not copy is still there: "
        return Finding("resume", "warning", text + "; ".join(sources.uncopied))
    if sources is not None and sources.hidden:
        text = f"after a kill a trial {how}; what is imported by a name that only shows when it runs is copied then: "
        return Finding("resume", "ok", text + "; ".join(sources.hidden))
    return Finding("resume", "ok", f"after a kill a trial {how}")


def _unsaved_functions(job: TuneJob) -> str:
    names = [name for name, function in job.functions.items() if not is_saved(function)]
    return f"{' and '.join(names)} cannot be loaded back from a file"


def shown(config: Config) -> str:
    """A config in a line.

    Args:
        config: The config.
    """
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )


def _with_frame(text: str, trace: str, sources: Mapping[str, str]) -> str:
    frame = user_frame(trace, sources)
    return f"{_in_short(text)} ({frame})" if frame else _in_short(text)


def _in_short(text: str) -> str:
    """An error in a line or two."""
    text = first_line(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_users(file: str) -> bool:
    installed = [str(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    homes = [str(Path(errors.__file__).parent), *installed]
    return not file.startswith("<") and not any(Path(file).is_relative_to(home) for home in homes)
