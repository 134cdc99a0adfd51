"""The findings about training: the first epoch of a trial, its objectives and targets, and the models of others."""

import math
from collections.abc import Mapping, Sequence

from pipeline.execution.preflight.common_choice import common_choice
from pipeline.execution.preflight.failure_findings import error_text
from pipeline.execution.preflight.finding import BuildFailure, Finding, ModelFacts, TrainingFacts, WeightFacts, skipped
from pipeline.execution.worker.missing_objective import choose_objective
from pipeline.execution.worker.weight_compatibility import mismatch_advice, mismatch_text
from pipeline.space import Config
from pipeline.storage.schema import MEASURES
from pipeline.study import TuneJob
from pipeline.wording import capitalized, counted, rough_duration


def finite(job: TuneJob, trained: TrainingFacts) -> bool:
    """Whether the loss and the objectives of a trial's epoch are finite, as far as it reports them."""
    judged = {"loss", *(objective.metric for objective in job.objectives)}
    return all(math.isfinite(value) for name, value in trained.metrics.items() if name in judged)


def epoch_finding(job: TuneJob, trained: Sequence[TrainingFacts], sources: Mapping[str, str]) -> Finding:
    """Whether the first epoch of a trial runs."""
    last = trained[-1]
    if last.message is not None and finite(job, last) and not misses_objective(job, last):
        advice = "Fix it, and check again."
        return Finding("epoch", "error", error_text(last.message, last.trace, sources), advice)
    if not finite(job, last):
        advice = "Check the data, or use smaller learning rates in the space."
        tried = "; ".join(_config_text(each.config) for each in trained)
        text = f"The loss or the objective is not finite with any config that was tried: {tried}"
        return Finding("epoch", "error", text, advice)
    timing = f"trial {last.trial_id} trains: {rough_duration(last.seconds_epoch)}"
    if job.model is None:
        timing = f"{timing} per step"
    else:
        timing = f"{timing} per epoch, {rough_duration(last.seconds_build)} to build its model"
    if len(trained) > 1:
        bad = "; ".join(_config_text(each.config) for each in trained[:-1])
        advice = "Smaller learning rates may help; trials of such configs fail, and the study continues."
        return Finding("epoch", "warning", f"{timing}. The loss or the objective is not finite with {bad}", advice)
    if last.notes:
        return Finding("epoch", "warning", f"{timing}. {' '.join(capitalized(note) for note in last.notes)}")
    return Finding("epoch", "ok", timing)


def misses_objective(job: TuneJob, trained: TrainingFacts) -> bool:
    """Whether the only failure is that the objective is not among the metrics, which is its own finding."""
    return not trained.trace and bool(trained.metrics) and job.objective.metric not in trained.metrics


def objective_finding(job: TuneJob, trained: TrainingFacts) -> Finding:
    """Whether the training reports the job's objectives."""
    metrics = ", ".join(trained.metrics)
    known = {*trained.metrics, *(MEASURES if job.model is not None else ("seconds_train",))}
    missing = [objective.metric for objective in job.objectives[1:] if objective.metric not in known]
    if job.objective.metric not in trained.metrics:
        return Finding(
            "objective",
            "error",
            f"There is no metric {job.objective.metric!r}; available: {metrics}",
            choose_objective(job, list(trained.metrics)),
        )
    value = trained.metrics[job.objective.metric]
    if not math.isfinite(value):
        # The finding of the epoch is the fault.
        return skipped("objective", f"{job.objective.metric} is {value}")
    reported = (
        f"{job.objective.metric} ({job.objective.mode}) is {value:.4g} after the first epochs; metrics: {metrics}"
    )
    if trained.without_validation is not None:
        text = trained.without_validation
        return Finding("objective", "warning", f"{reported}. {capitalized(text)}")
    if missing:
        advice = "Only the first objective decides which trial is best, so the study can run."
        return Finding("objective", "warning", f"{reported}. There is no {', '.join(missing)}", advice)
    return Finding("objective", "ok", reported)


def labels_finding(trained: TrainingFacts) -> Finding:
    """Whether the targets fit the model's output and loss."""
    if trained.mismatch is None:
        return Finding("labels", "ok", "targets fit the model's output")
    return Finding("labels", "error", trained.mismatch, trained.remedy)


def models_finding(built: ModelFacts, sources: Mapping[str, str], epoch: TrainingFacts | None = None) -> Finding:
    """Whether models of other configs can be built."""
    count = len(built.configs) + len(built.failures)
    if not built.failures:
        return Finding("configs", "ok", f"models of {counted(count, 'config')} sampled across the space can be built")
    first: BuildFailure = built.failures[0]
    errors = {error_text(each.message, each.trace, sources) for each in built.failures}
    of_epoch = error_text(epoch.message, epoch.trace, sources) if epoch is not None and epoch.message else None
    if not built.configs and errors == {of_epoch}:
        return skipped("configs", f"all {count} configs fail in the same way as the first epoch")
    incompatible = common_choice([each.config for each in built.failures], built.configs)
    where = (
        f"namely every config with {incompatible[0]}={incompatible[1]!r}"
        if incompatible
        else f"for example {_config_text(first.config)}"
    )
    text = error_text(first.message, first.trace, sources)
    advice = f"Fix it, or remove it from the space; trial {first.trial_id} of the study would fail."
    if not built.configs:
        advice = "Fix it, and check again."
    return Finding(
        "configs",
        "error",
        f"{len(built.failures)} of {count} configs failed to build a model, {where}: {text}",
        advice,
    )


def weights_finding(job: TuneJob, facts: WeightFacts) -> Finding:
    """Whether trials can take over each other's weights."""
    if facts.mismatches:
        return Finding("weights", "error", mismatch_text(job, facts.mismatches), mismatch_advice(job, facts.mismatches))
    kind, explore = job.scheduler.kind, getattr(job.scheduler, "explore", None)
    which = "no hyperparameter" if explore is None else "no hyperparameter that scheduler.explore names"
    text = f"{which} changes the model's variables: with {kind}, any trial can copy another trial's weights"
    return Finding("weights", "ok", text)


def _config_text(config: Config) -> str:
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )
