"""The fields of a job in a call of `tuner.search(…)`: objectives, budget, scheduler and arguments of `fit`."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.adapters.keras_tuner.batches import batch_size_of, left_out_of_batches, validation_steps_of
from pipeline.adapters.keras_tuner.compile_arguments import COMPILE
from pipeline.adapters.program import Call
from pipeline.errors import Fault, InvalidJob
from pipeline.study import Objective

_HYPERBAND_EPOCHS = 100
"""KerasTuner's default of max_epochs."""

_TRIALS = {"RandomSearch": 10, "BayesianOptimization": 10}
"""KerasTuner's defaults of max_trials."""

_MAX = (
    "acc", "auc", "precision", "recall", "f1", "iou", "io_u", "score", "r2", "cosine", "sensitivity", "specificity",
    "true_positives", "true_negatives",
)  # fmt: skip
_FIT = {
    "x", "y", "epochs", "batch_size", "validation_data", "validation_split", "callbacks", "verbose", "shuffle",
    "sample_weight", "class_weight", "steps_per_epoch", "validation_steps", "validation_freq", "validation_batch_size",
}  # fmt: skip
_TUNER = {
    "hypermodel", "objective", "max_trials", "max_epochs", "factor", "hyperband_iterations", "seed", "hyperparameters",
    "tune_new_entries", "allow_new_entries", "executions_per_trial", "directory", "project_name", "overwrite", "logger",
    "num_initial_points", "alpha", "beta", "max_retries_per_trial", "max_consecutive_failed_trials", "oracle",
    "max_model_size", "distribution_strategy", "tuner_id", "scoring", "cv", *COMPILE,
}  # fmt: skip


def objectives_of(call: Call | None) -> list[Objective]:
    """The objectives of a search; val_loss where it names none."""
    given = None if call is None else call.arguments["tuner"].get("objective")
    listed = given if isinstance(given, list | tuple) else [given or "val_loss"]
    return [
        Objective(one, "max" if any(word in one.lower() for word in _MAX) else "min")
        if isinstance(one, str)
        else Objective(one.name, one.direction)
        for one in listed
    ]


def epochs_of(call: Call | None) -> int | None:
    """The epochs of a trial that a search gives; None if it gives none."""
    if call is None:
        return None
    longest = call.arguments["tuner"].get("max_epochs")
    if call.arguments["kind"] == "Hyperband":
        return int(longest or _HYPERBAND_EPOCHS)
    epochs = longest or search_arguments(call).get("epochs")
    return int(epochs) if epochs else None


def search_arguments(call: Call) -> dict[str, Any]:
    """The arguments of a search by their names."""
    names = ("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split", "validation_data")
    return {**dict(zip(names, call.arguments["args"], strict=False)), **call.arguments["kwargs"]}


def fields_of_search(call: Call, subject: str, *, own_fit: bool) -> dict[str, Any]:
    """The fields of a job that a search says."""
    tuner, search = call.arguments["tuner"], search_arguments(call)
    faults = [
        Fault(call.line, name, "is not a known argument of a tuner: leave it out") for name in set(tuner) - _TUNER
    ]
    unknown = set() if own_fit else set(search) - _FIT
    faults += [Fault(call.line, name, "is not a known argument of search") for name in unknown]
    if faults:
        raise InvalidJob(subject, sorted(faults, key=lambda fault: str(fault.found)))
    budget: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    if (trials := tuner.get("max_trials", _TRIALS.get(call.arguments["kind"]))) is not None:
        budget["trials"] = int(trials)
    budget["epochs"] = epochs_of(call) or 1
    if call.arguments["kind"] == "Hyperband":
        budget["trials"] = _configs_of_hyperband(budget["epochs"], tuner)
        fields["scheduler"] = {"kind": "hyperband", "reduction_factor": int(tuner.get("factor", 3))}
    if call.arguments["kind"] == "GridSearch":
        fields["searcher"] = "grid"
    if (seed := tuner.get("seed")) is not None:
        fields["seed"] = int(seed)
    if (repeats := int(tuner.get("executions_per_trial", 1))) > 1 and not own_fit:
        fields["repeats"] = repeats
    fields["batch_size"] = batch_size_of(search)
    given = ("class_weight", "steps_per_epoch", "validation_freq", "shuffle")
    fit = {name: search[name] for name in given if search.get(name) is not None}
    if (steps := validation_steps_of(search)) is not None:
        fit["validation_steps"] = steps
    return {**fields, "budget": budget, **({"fit": fit} if fit else {})}


def _configs_of_hyperband(epochs: int, tuner: Mapping[str, Any]) -> int:
    """The number of configs that KerasTuner's Hyperband draws for all its brackets."""
    factor = int(tuner.get("factor") or 3)
    brackets = 1 + max(number for number in range(64) if factor**number <= epochs)
    ends = math.ceil(1 + math.log(epochs, factor))
    configs: int = sum(math.ceil(ends / (number + 1) * factor**number) for number in range(brackets))
    return configs * int(tuner.get("hyperband_iterations") or 1)


def left_out_of_search(call: Call, *, own_fit: bool) -> list[str]:
    """The settings of a tuner that a job does not have, a sentence each."""
    tuner = call.arguments["tuner"]
    left_out = [] if own_fit else left_out_of_batches(search_arguments(call))
    left_out += [f"{hook} is not called." for hook in call.arguments.get("hooks") or ()]
    if call.arguments["kind"] == "BayesianOptimization":
        left_out.append("BayesianOptimization is ignored; set --search instead.")
    if tuner.get("distribution_strategy") is not None:
        left_out.append("distribution_strategy is ignored; set resources.strategy instead.")
    if tuner.get("max_model_size") is not None:
        left_out.append("max_model_size is ignored; models of any size are trained.")
    if own_fit and tuner.get("executions_per_trial", 1) != 1:
        left_out.append("executions_per_trial is ignored; the program's own training runs once in a trial.")
    return left_out
