"""From the facts that a rehearsal tells to findings."""

import math
import re
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import pipeline
from pipeline.execution.exchange import advice, in_words
from pipeline.execution.preflight.configs import blamed
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Finding, Trained, Unbuilt
from pipeline.execution.sources import unsaved
from pipeline.results.failures import first_line
from pipeline.space import Config
from pipeline.storage.schema import MEASURES
from pipeline.study import TuneJob

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
    "user_frame",
    "weights_finding",
]

_FRAME = re.compile(
    r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<where>.+)\n(?: {4,}(?P<code>.+))?', re.MULTILINE
)
_NOISE = ("File ", "Detected at", "Stack trace", "<stack traces", "[[{{", "During handling", "Arguments received")
_LONGEST = 400


def finite(job: TuneJob, trained: Trained) -> bool:
    """Whether the loss and the objectives of a trial's epoch are finite, as far as there are any."""
    looked_at = {"loss", *(objective.metric for objective in job.objectives)}
    return all(math.isfinite(value) for name, value in trained.metrics.items() if name in looked_at)


def user_frame(trace: str, sources: Mapping[str, str]) -> str:
    """The line of the user's own code at which an error came up; empty where it never passed there.

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
    """A stage that failed.

    Args:
        name: What was looked at.
        failed: What happened.
        sources: As for `user_frame`.
        advice: What to do.
    """
    return Finding(name, "fault", _with_frame(failed.told, failed.trace, sources), advice)


def data_finding(facts: DataFacts) -> Finding:
    """Whether a model can learn from the data: shapes, rows, numbers that are none."""
    rows = ", ".join(f"{count:,} {name}" for name, count in facts.rows.items())
    classes = f", {facts.classes} classes" if facts.classes else ""
    found = f"{facts.name}: {rows} rows; inputs {facts.inputs}, targets {facts.targets}{classes}; {size(facts.bytes)}"
    if facts.strange:
        listed = ", ".join(f"{count} in the {where}" for where, count in facts.strange.items())
        return Finding(
            "data", "fault", f"{found}. Not finite: {listed}", "Fill or drop these rows: the loss would be NaN."
        )
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
    if last.told is not None and finite(job, last) and not misses_objective(job, last):
        advice = "Mend it, and check again."
        return Finding("epoch", "fault", _with_frame(last.told, last.trace, sources), advice)
    if not finite(job, last):
        advice = "Look at the data, or make the learning rates of the space smaller."
        tried = "; ".join(shown(each.config) for each in trained)
        found = f"The loss or the objective is not finite with any config that was tried: {tried}"
        return Finding("epoch", "fault", found, advice)
    build = f", {duration(last.seconds_build)} to build its model" if job.model is not None else ""
    found = f"trial {last.trial_id} trains: {duration(last.seconds_epoch)} an {what}{build}"
    found = found.replace("an step", "a step")
    if len(trained) > 1:
        bad = "; ".join(shown(each.config) for each in trained[:-1])
        advice = "Smaller learning rates may do; trials of such configs fail, and the study goes on."
        return Finding("epoch", "warning", f"{found}. The loss or the objective is not finite with {bad}", advice)
    if last.notes:
        return Finding("epoch", "warning", f"{found}. {' '.join(f'{n[0].upper()}{n[1:]}' for n in last.notes)}")
    return Finding("epoch", "ok", found)


def misses_objective(job: TuneJob, trained: Trained) -> bool:
    """Whether all that fails is that the objective is not among the metrics, which is a finding by itself."""
    return not trained.trace and bool(trained.metrics) and job.objective.metric not in trained.metrics


def objective_finding(job: TuneJob, trained: Trained) -> Finding:
    """Whether the metrics that the job is judged by are there."""
    there = ", ".join(trained.metrics)
    known = {*trained.metrics, *(MEASURES if job.model is not None else ("seconds_train",))}
    missing = [objective.metric for objective in job.objectives[1:] if objective.metric not in known]
    if job.objective.metric not in trained.metrics:
        return Finding(
            "objective",
            "fault",
            f"There is no metric {job.objective.metric!r}; there are {there}",
            "Choose one of them with --set objectives.0.metric=NAME, or compile the model with that metric.",
        )
    value = trained.metrics[job.objective.metric]
    found = f"{job.objective.metric} ({job.objective.mode}) is {value:.4g} after the first epochs; there are {there}"
    if missing:
        advice = "Trials are judged by the first objective alone, so the study runs."
        return Finding("objective", "warning", f"{found}. There is no {', '.join(missing)}", advice)
    return Finding("objective", "ok", found)


def labels_finding(trained: Trained) -> Finding:
    """Whether targets are what the loss takes."""
    if trained.mismatch is None:
        return Finding("labels", "ok", "targets fit the model's output")
    return Finding("labels", "fault", trained.mismatch, "Change the last layer, the loss or the targets.")


def models_finding(built: Built, sources: Mapping[str, str]) -> Finding:
    """Whether models of other configs can be built."""
    count = len(built.configs) + len(built.failures)
    if not built.failures:
        return Finding("configs", "ok", f"models of {count} configs from all over the space can be built")
    first: Unbuilt = built.failures[0]
    guilty = blamed([each.config for each in built.failures], built.configs)
    where = f"every config with {guilty[0]}={guilty[1]!r}" if guilty else f"among them {shown(first.config)}"
    told = _with_frame(first.told, first.trace, sources)
    advice = f"Mend it, or take it out of the space; trial {first.trial_id} of the study would fail."
    return Finding(
        "configs", "fault", f"{len(built.failures)} of {count} configs give no model, {where}: {told}", advice
    )


def weights_finding(job: TuneJob, facts: Exchanged) -> Finding:
    """Whether trials can take over each other's weights.

    Args:
        job: The study's job, its scheduler one that exploits.
        facts: Which parameters change the model's variables.
    """
    if facts.misfits:
        return Finding("weights", "fault", in_words(job, facts.misfits), advice(job, facts.misfits))
    found = f"no parameter changes the model's variables: under {job.scheduler.kind} any trial can take over another's"
    return Finding("weights", "ok", found)


def exactness_finding(job: TuneJob, trained: Trained) -> Finding:
    """Whether a trial goes on after a kill as if it had never stopped."""
    if (why := unsaved(job)) is not None:
        advice = (
            "Interrupted or killed, it stays as it is then; with tunepipe's own schedulers and searchers it goes on."
        )
        return Finding("resume", "warning", f"The study cannot be resumed: {why}", advice)
    if trained.inexact is not None:
        advice = "The study can be resumed all the same; what was trained twice may differ."
        return Finding("resume", "warning", f"A trial that goes on after a kill may differ: {trained.inexact}", advice)
    how = "is replayed from its first step" if job.function is not None else "goes on from its checkpoint, exactly"
    return Finding("resume", "ok", f"after a kill a trial {how}")


def shown(config: Config) -> str:
    """A config in a line."""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )


def duration(seconds: float) -> str:
    """A duration in words, to two digits or so."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}" if seconds >= 10 * unit else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:.1f} days"


def size(count: float) -> str:
    """A number of bytes in words."""
    for unit, name in ((1e3, "bytes"), (1e6, "kB"), (1e9, "MB"), (1e12, "GB")):
        if count < unit:
            return f"{count:.0f} bytes" if name == "bytes" else f"{count / unit * 1e3:.3g} {name}"
    return f"{count / 1e12:.3g} TB"


def _with_frame(told: str, trace: str, sources: Mapping[str, str]) -> str:
    frame = user_frame(trace, sources)
    return f"{_in_short(told)} ({frame})" if frame else _in_short(told)


def _in_short(told: str) -> str:
    """An error in a line or two: TensorFlow's begin with where in its graph, and end with what."""
    lines = [line.strip() for line in told.splitlines() if line.strip() and not line.strip().startswith(_NOISE)]
    text = first_line("\n".join(lines)) or told.strip()
    if text.endswith(":") and len(lines) > 1:
        text = f"{text} {lines[1]}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_users(file: str) -> bool:
    installed = [str(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    homes = [str(Path(pipeline.__file__).parent), *installed]
    return not file.startswith("<") and not any(Path(file).is_relative_to(home) for home in homes)
