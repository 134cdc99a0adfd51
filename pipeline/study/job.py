"""TuneJob: the specification of a study."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from pipeline.errors import InvalidJob
from pipeline.searchers import RandomSearch
from pipeline.study.changes import apply_changes
from pipeline.study.copies import Copies
from pipeline.study.faults import NAME, read_faults
from pipeline.study.job_fields import JobFields
from pipeline.study.recorded_copies import RecordedCopies
from pipeline.study.rules import broken_rules
from pipeline.study.specification import Objective
from pipeline.wording import counted


class TuneJob(JobFields, defer_build=False):
    """The definition of a study. Immutable; validated on creation; converts to and from JSON.

    Args:
        name: Lower-case letters, digits, `.`, `_`, `-`; at most 63. Also the study's name, unless `--name` is
            given.
        description: One line for `tunepipe list`.
        model: A function `build_model(config)`, or `build_model()`, that returns a compiled keras.Model.
        function: Instead of a model: a function `f(config)` that yields a dict of metrics for each epoch, or
            `f(config, state)` that yields `(metrics, state)` and continues from the last state.
        callbacks: A function `callbacks(config)`, or `callbacks()`, that returns new Keras callbacks for each trial.
        data: A data set's name, the path of a Parquet file or of a folder of them (`folder/`), or a function that
            returns a Dataset: `data()`, or `data(config)` for data that depend on hyperparameters.
        space: Maps each hyperparameter's name to a domain, or to a JSON value for a fixed one. Names are lower-case. A
            Switch holds hyperparameters that only some trials have.
        objectives: One or several metrics to optimise, with bounds. The first one decides which trial is best.
        start_with: Configs to try first. The searcher draws the hyperparameters that a config leaves out.
        start_from: Another study, StartFrom(study, top): its best configs are added to start_with at the start.
        learn_from: Other studies, by name or folder, at most eight: CurveSearch(…) learns from their trials, too. The
            weight of each study is learned.
        budget: When the study ends.
        scheduler: Stops trials early: ASHA(…), PBT(…), FIFO(), another scheduler, its name, or the path of a Ray Tune
            class. Default: see [Defaults](search.md#defaults).
        searcher: Draws configs: RandomSearch(), GridSearch(), SobolSearch(), CurveSearch(…), TPESearch(…),
            CMASearch(…), GPSearch(…), MOTPESearch(…), NSGA2Search(…), a name, or the path of a Ray Tune class.
            Default: see [Defaults](search.md#defaults).
        resources: CPUs, GPUs and limits of one trial, and the number of workers.
        folds: Number of cross-validation folds. A trial trains one model for each fold, evaluated on the part of the
            training split that it does not see. The objective is the mean. The best config trains again on the whole
            split.
        repeats: Number of models that a trial trains (for each fold); they differ only in their seeds.
        batch_size: Rows in a step; a hyperparameter named `batch_size` overrides it.
        fit: Arguments of Keras' `fit`: class weights, steps of an epoch and of a validation, when to validate, and
            whether to shuffle.
        phases: Parts of the training that begin with a change of the model, as in fine-tuning: Phase(at, prepare).
        checkpoints: How often a trial writes a checkpoint, and how many a study keeps.
        seed: Seed of configs, initial weights and shuffling.
        trial_seeds: Give each trial its own initial weights and shuffling, instead of the same for all trials.

    Raises:
        InvalidJob: Lists every fault, with the field, what was found and what is allowed.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Report all faults together: those of single fields, and those between valid fields."""
        fields = value if isinstance(value, Mapping) else {}
        try:
            job = handler(value)
        except ValidationError as error:
            known = {name: fields[name] for name in cls.model_fields if name in fields}
            if not all(faulty["loc"] for faulty in error.errors()) and known:
                # A field's name that is not UTF-8 hides all other faults.
                raise InvalidJob(_subject(fields), read_faults(error, list(known))) from None
            faults = read_faults(error, list(cls.model_fields))
            invalid = {fault.field.split(".")[0] for fault in faults}
            valid = {name: known[name] for name in known if name not in invalid}
            if isinstance(value, Mapping):
                faults += broken_rules(handler({**_REQUIRED, **valid}), invalid)
        else:
            faults = broken_rules(job)
        if faults:
            raise InvalidJob(_subject(fields), faults)
        return job

    def replaced(self, changes: Mapping[str, Any]) -> "TuneJob":
        """A copy of the job with some fields changed.

        Args:
            changes: New values by dotted field, as `--set` takes them: `budget.trials`, `space.lr`, `scheduler`,
                `scheduler.interval`, in any order. Values are JSON values or domains and settings; a plain value for
                `space.lr` fixes that hyperparameter. Another scheduler starts from its defaults.

        Raises:
            InvalidJob: Lists every field that does not exist and every value that is not allowed.
        """
        fields, faults = apply_changes({name: getattr(self, name) for name in type(self).model_fields}, changes)
        touched = {path.split(".")[0] for path in changes}
        for name in self.recommended - touched:
            # Recommended again, for the changed budget and space.
            del fields[name]
        try:
            job = TuneJob(**fields)
        except InvalidJob as error:
            raise InvalidJob(error.subject, [*faults, *error.faults]) from None
        if faults:
            raise InvalidJob(_subject(fields), faults)
        return job

    def resolved(self, before: "TuneJob | None" = None) -> "TuneJob":
        """The job as a study stores it: what the scheduler derives from the budget is there as numbers.

        A resume with another budget then continues with the rungs with which the study began.

        Args:
            before: The job with which the study began, for one that is resumed.
        """
        scheduler = self.scheduler.resolved(self.budget.epochs, None if before is None else before.scheduler)
        return self if scheduler == self.scheduler else self.replaced({"scheduler": scheduler})

    @property
    def recommended(self) -> set[str]:
        """Those of `scheduler` and `searcher` that the job does not name: tunepipe chooses them."""
        return {"scheduler", "searcher"} - self.model_fields_set

    @property
    def with_recommended(self) -> "TuneJob":
        """The job as it would be if it named neither a scheduler nor a searcher."""
        named = {"scheduler", "searcher"}
        return TuneJob(**{name: getattr(self, name) for name in type(self).model_fields if name not in named})

    @property
    def recommendation(self) -> str | None:
        """What tunepipe chose for the job, as sentences; None if that is no more than random draws."""
        if not self.recommended or (self.recommended == {"searcher"} and self.searcher == RandomSearch()):
            return None
        chosen = " and ".join(f"{name} {getattr(self, name).kind}" for name in sorted(self.recommended))
        epochs, rungs = self.budget.epochs, ""
        if "scheduler" in self.recommended:
            first = self.scheduler.next_milestone(0, epochs)
            rungs = f" Trials are first compared at epoch {first}."
            if first == epochs:
                rungs = " Trials are not compared before the last epoch, so that each of them completes."
        budget = f"{counted(self.budget.trials, 'trial')} of up to {counted(epochs, 'epoch')}"
        default = "default" if len(self.recommended) == 1 else "defaults"
        return f"Uses {chosen}, the {default} for {budget}.{rungs} --scheduler and --search choose others."

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values; functions by name and digest."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(
        cls,
        fields: Mapping[str, Any],
        *,
        source: Path | None = None,
        recorded: RecordedCopies | None = None,
        load: bool = True,
        here: Collection[Callable[..., Any]] = (),
        placeholders: bool = False,
    ) -> Self:
        """Read a job from the result of `to_json`.

        Args:
            fields: The JSON object.
            source: The folder with copies of the sources, for functions whose modules have changed or are missing. Only
                code with the digest that the job states is run.
            recorded: The other copies in that folder: what the functions import.
            load: Whether functions are loaded; else they are only named, and none of their code is run.
            here: Functions without a file that replace those of the same name that do the same.
            placeholders: Whether another function without a file is only named, instead of being a fault.

        Returns:
            The job, validated.

        Raises:
            InvalidJob: Lists every fault.
        """
        copies = None if source is None else Copies(source, fields, recorded)
        return cls.model_validate(
            dict(fields), context={"copies": copies, "load": load, "here": here, "placeholders": placeholders}
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TuneJob) and self._text() == other._text()

    def __hash__(self) -> int:
        return hash(self._text())

    def _text(self) -> str:
        # As text, because 1 and 1.0 are equal in Python and different hyperparameters.
        return json.dumps(self.to_json(), sort_keys=True)


_REQUIRED: dict[str, Any] = {"name": "x", "space": {}, "objectives": (Objective("x", "max"),)}
"""Placeholders for missing or invalid fields while the rules between the other fields are applied."""


def _subject(fields: Mapping[str, Any]) -> str:
    name = fields.get("name")
    return f"job {name!r}" if isinstance(name, str) and re.fullmatch(NAME, name) else "the job"
