"""A hypermodel of KerasTuner, a function `build(hp)` or a HyperModel, as the functions of a job."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from pipeline.adapters.adapter import Adapter
from pipeline.adapters.keras_tuner.compile_arguments import recompile
from pipeline.adapters.keras_tuner.data import data_of, pair
from pipeline.adapters.keras_tuner.discovery import discover_hyperparameters
from pipeline.adapters.keras_tuner.hypermodel_fit import fit_once, fit_steps, has_own_fit, sets_epochs, training_of
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.ranges import finite
from pipeline.adapters.keras_tuner.run_trial import RunTrialHypermodel
from pipeline.adapters.keras_tuner.search import epochs_of, fields_of_search, left_out_of_search, objectives_of
from pipeline.adapters.loop_length import reports_of
from pipeline.adapters.loops import UNKNOWN_EPOCHS
from pipeline.adapters.parameters import Hyperparameter, space_of
from pipeline.adapters.program import Call
from pipeline.datasets import Dataset
from pipeline.errors import Fault, InvalidJob, ResourcesUnmet
from pipeline.space import combinations
from pipeline.study import Objective, Resources
from pipeline.study.context import current


def prepare(given: Mapping[str, Any]) -> None:
    """Set TensorFlow up as the job's trials will have it: this process builds models, and may train them later."""
    from pipeline.training.process import set_up

    resources = given.get("resources")
    with suppress(ResourcesUnmet, TypeError):
        set_up(resources if isinstance(resources, Resources) else Resources(**dict(resources or {})))


class HypermodelAdapter(Adapter):
    """A hypermodel as the functions of a job."""

    def __init__(self, program: Any, name: str, given: Any = None, data: Any = None) -> None:
        super().__init__(program, name, given)
        self._data = data

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a search has the hypermodel, or an object of it where it is a class."""
        named = self.named
        return call.target in (named, self.hypermodel) or (inspect.isclass(named) and isinstance(call.target, named))

    @cached_property
    def hypermodel(self) -> Any:
        """The function or the HyperModel."""
        if self.program is None:
            return _instance(self._given)
        call = self.program.tuning_call()
        if call is None or (self._name and not self._is_searched(call.target)):
            return _instance(self.named)
        return call.arguments.get("own") or call.target

    def _is_searched(self, target: Any) -> bool:
        """Whether the object with the name is the hypermodel of a search, or its class."""
        return target is self.named or (inspect.isclass(self.named) and type(target) is self.named)

    @property
    def has_fit(self) -> bool:
        """Whether the hypermodel trains its models by its own `fit`."""
        return has_own_fit(self.hypermodel)

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of the module that a study copies, as functions of this process."""
        return {
            "build_model": lambda config: self.build(config),
            "fit": lambda config, state: self.steps(config, state),
            "run_trial": lambda config: self.steps(config, None),
            "callbacks": lambda _: self.callbacks(),
            "data": lambda: self.data(),
        }

    @property
    def function_fields(self) -> Mapping[str, str | None]:
        """The fields of the job that are one of these functions; a custom `fit` or `run_trial` has its arguments."""
        if self.has_fit:
            function = "run_trial" if isinstance(self.hypermodel, RunTrialHypermodel) else "fit"
            return {"function": function, "batch_size": None, "fit": None, "data": None}
        fields = {"model": "build_model"}
        if self.call is not None and (self.call.arguments["args"] or self.call.arguments["kwargs"]):
            fields["data"] = "data"
            if self.call.arguments["kwargs"].get("callbacks"):
                fields["callbacks"] = "callbacks"
        return fields

    def is_complete(self, fields: Mapping[str, Any]) -> bool:
        """Whether a worker that imports the file has everything it needs: `fit` needs data, which only a call has."""
        return not self.has_fit or "data" not in fields

    def build(self, config: Mapping[str, Any]) -> Any:
        """The model of a config."""
        return self._build(HyperParameters(config))

    def _build(self, hp: HyperParameters) -> Any:
        return recompile(_build_model(self.hypermodel, hp), {} if self.call is None else self.call.arguments["tuner"])

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the hypermodel and its search define them."""
        if self.hypermodel is None or not (callable(self.hypermodel) or hasattr(self.hypermodel, "build")):
            allowed = "must be a function build(hp), or a HyperModel or its class"
            raise InvalidJob(subject, [Fault("name", None, allowed)])
        fields: dict[str, Any] = {}
        if self.call is not None:
            fields |= fields_of_search(self.call, subject, own_fit=self.has_fit)
            fields["objectives"] = objectives_of(self.call)
        if self.has_fit and not epochs_of(self.call):
            training = training_of(self.hypermodel)
            count = reports_of(training, "on_epoch_end", {})
            if count is None and sets_epochs(training):
                count = UNKNOWN_EPOCHS
            fields["budget"] = {**fields.get("budget", {}), **({"epochs": count} if count else {})}
        if not given.get("space"):
            prepare(given)
            fields["space"] = space_of(self.found(), subject)
            if fields.get("searcher") == "grid":
                fields["space"] = finite(fields["space"])
                fields["budget"].setdefault("trials", combinations(fields["space"]))
        if "objectives" not in fields and "objectives" not in given:
            fields["objectives"] = [Objective("val_loss", "min")]
        return fields

    @property
    def left_out(self) -> list[str]:
        """The settings of the tuner that the job does not have, a sentence each."""
        return [] if self.call is None else left_out_of_search(self.call, own_fit=self.has_fit)

    def found(self) -> list[Hyperparameter]:
        """The hyperparameters, found by building models, and by fitting one up to its first epoch."""

        def run(hp: HyperParameters) -> None:
            model = self._build(hp)
            if self.has_fit:
                fit_once(self.hypermodel, hp, model, *self._fit_arguments(1))

        hyperparameters = discover_hyperparameters(run)
        given = self.call.arguments["tuner"] if self.call is not None else {}
        if (own := given.get("hyperparameters")) is not None and isinstance(own, HyperParameters):
            theirs = {one.name: one for one in own.found}
            hyperparameters = [theirs.get(one.name, one) for one in hyperparameters]
            if given.get("tune_new_entries") is False:
                hyperparameters = [one for one in hyperparameters if one.name in theirs]
        return hyperparameters

    def callbacks(self) -> list[Any]:
        """New copies of the search's callbacks."""
        kwargs = {} if self.call is None else self.call.arguments["kwargs"]
        return copy.deepcopy(list(kwargs.get("callbacks") or ()))

    def data(self) -> Dataset:
        """The data of the search."""
        assert self.call is not None
        return data_of(self.call)

    def steps(self, config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        """The epochs of HyperModel.fit."""
        trial = current()
        args, kwargs = self._fit_arguments(trial.epochs if trial is not None else 1)
        arguments = args, {**kwargs, "callbacks": self.callbacks()}
        hp, objective = HyperParameters(config), objectives_of(self.call)[0]
        return fit_steps(self.hypermodel, hp, self._build, arguments, state, objective)

    def _fit_arguments(self, epochs: int) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the search, for HyperModel.fit."""
        if self.call is None:
            data = self._data() if callable(self._data) else None
            if data is None:
                return [], {"epochs": epochs}
            kwargs: dict[str, Any] = {"epochs": epochs, "verbose": 0}
            if data.validation is not None:
                kwargs["validation_data"] = pair(data.validation)
            return list(pair(data.train)), kwargs
        kwargs = dict(self.call.arguments["kwargs"])
        return list(self.call.arguments["args"]), {"verbose": 0, **kwargs, "epochs": epochs}


def _instance(hypermodel: Any) -> Any:
    if inspect.isclass(hypermodel) and hasattr(hypermodel, "build"):
        return hypermodel()
    return hypermodel


def _build_model(hypermodel: Any, hp: HyperParameters) -> Any:
    if not hasattr(hypermodel, "build"):
        return hypermodel(hp)
    return hypermodel.build(hp if getattr(hypermodel, "tunable", True) else hp.copy())
