"""KerasTuner: a function `build(hp)`, a HyperModel or a tuner with its own `run_trial`, as a job.

The space is found by building models. Where the program calls `tuner.search(…)`, data, objective and budget are taken
from there; the search itself does not run.
"""

import copy
import inspect
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from pipeline.adapters.parameters import (
    UNKNOWN_EPOCHS,
    Hyperparameter,
    choice,
    distinct,
    explore,
    floats,
    integers,
    space_of,
    value_in,
)
from pipeline.adapters.program import Adapter, end_program, replaced_attributes, user_place
from pipeline.adapters.steps import Steps
from pipeline.datasets import Dataset, Split
from pipeline.errors import Fault, InvalidJob, ResourcesUnmet, UsageError
from pipeline.space import Choice, combinations
from pipeline.study import Objective, Resources
from pipeline.study.context import current

_MAX_BUILDS = 48
_SECONDS = 300.0


class HypermodelAdapter(Adapter):
    """A hypermodel as the functions of a job."""

    library = "keras-tuner"
    functions: ClassVar[Mapping[str, str]] = {
        "build_model": "config",
        "fit": "config",
        "run_trial": "config",
        "callbacks": "",
        "data": "",
    }

    @staticmethod
    def prepare(given: Mapping[str, Any]) -> None:
        """Set TensorFlow up as the job's trials will have it: this process builds models, and may train them later."""
        from pipeline.training.process import set_up

        resources = given.get("resources")
        # What is no set of resources is a fault of the job, which TuneJob names.
        with suppress(ResourcesUnmet, TypeError, ValueError):
            set_up(resources if isinstance(resources, Resources) else Resources(**dict(resources or {})))

    @staticmethod
    @contextmanager
    def patches() -> Iterator[None]:
        """A context in which tuners build nothing, write nothing to their folders, and end the program at `search`."""
        if find_spec("keras_tuner") is None:
            raise UsageError("A program of KerasTuner needs the package keras-tuner: pip install keras-tuner.")
        from keras_tuner.src.engine.base_tuner import BaseTuner

        make = BaseTuner.__init__

        def init(tuner: Any, oracle: Any, hypermodel: Any = None, **arguments: Any) -> None:
            # Its own folder may have the results of the user's search, which it would delete or load.
            own = {**arguments, "directory": folder, "project_name": "search", "overwrite": False}
            make(tuner, oracle, hypermodel, **own)
            tuner.directory, tuner.project_name, tuner.given = ".", ".", hypermodel

        def search(tuner: Any, *args: Any, **kwargs: Any) -> None:
            end_program(tuner.given, {"tuner": tuner, "args": args, "kwargs": kwargs})

        replaced = [
            (BaseTuner, "__init__", init),
            (BaseTuner, "_populate_initial_space", lambda _: None),
            (BaseTuner, "search", search),
            (BaseTuner, "search_space_summary", lambda *_, **__: None),
        ]
        with tempfile.TemporaryDirectory() as folder, replaced_attributes(replaced):
            yield

    @property
    def tuner(self) -> Any:
        """The tuner of the search; None without one."""
        return self.arguments.get("tuner")

    @cached_property
    def hypermodel(self) -> Any:
        """The hypermodel as KerasTuner has it; None for a tuner whose `run_trial` needs none."""
        from keras_tuner.src.engine.hypermodel import get_hypermodel

        if self.tuner is not None:
            return self.tuner.hypermodel
        return get_hypermodel(self.named() if inspect.isclass(self.named) else self.named)

    @cached_property
    def trains(self) -> str:
        """What trains a model: the program's own `run_trial` or `fit`; empty where the job does."""
        if self.tuner is not None and _is_own(self.tuner, "run_trial"):
            return "run_trial"
        return "fit" if self.hypermodel is not None and _is_own(self.hypermodel, "fit") else ""

    @property
    def searched(self) -> dict[str, Any]:
        """The arguments of the search by their names."""
        names = ("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split", "validation_data")
        given = dict(zip(names, self.arguments.get("args", ()), strict=False))
        return {**given, **self.arguments.get("kwargs", {})}

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of the search; val_loss where it names none."""
        objective = None if self.tuner is None else self.tuner.oracle.objective
        if objective is None or objective.name == "default_objective":
            return [Objective("val_loss", "min")]
        return [Objective(one.name, one.direction) for one in getattr(objective, "objectives", [objective])]

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        if self.tuner is None:
            try:
                inspect.signature(self.hypermodel.build).bind(None)
            except (TypeError, ValueError):
                allowed = "must be build(hp), a HyperModel or its class"
                raise InvalidJob(subject, [Fault("name", self.name, allowed)]) from None
        if self.tuner is None and self.trains:
            allowed = "must be tuned by tuner.search(…) in its file, which has the arguments of fit"
            raise InvalidJob(subject, [Fault("fit", "a HyperModel with its own fit", allowed)])
        self.prepare(given)
        fields: dict[str, Any] = {"objectives": self.objectives, "budget": {}}
        found, reports = ([], False) if given.get("space") else self._found()
        fields["space"] = given.get("space") or space_of(found, subject)
        if self.trains:
            fields["function"] = self.trains
            fields["budget"]["epochs"] = UNKNOWN_EPOCHS if reports else 1
        else:
            fields |= {"model": "build_model", **self._fit_fields()}
        if self.tuner is not None:
            self._budget(fields)
        return fields

    def build_model(self, config: Mapping[str, Any]) -> Any:
        """The model of a config."""
        return self._build(self._hyperparameters(config))

    def callbacks(self) -> list[Any]:
        """New copies of the search's callbacks."""
        return copy.deepcopy(list(self.searched.get("callbacks") or ()))

    def data(self) -> Dataset:
        """The data of the search."""
        given = self.searched
        validation = given.get("validation_data")
        parts = validation if isinstance(validation, list | tuple) else (validation,)
        return Dataset(
            "data",
            _split(given.get("x"), given.get("y"), given.get("sample_weight")),
            None if validation is None else _split(*parts),
            validation_split=given.get("validation_split") or None,
        )

    def fit(self, config: Mapping[str, Any]) -> Iterator[Any]:
        """The epochs of HyperModel.fit that have the objective."""
        import keras

        def train(steps: Steps) -> Any:
            class Reporting(keras.callbacks.Callback):  # type: ignore[misc]
                def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                    # Where it is missing, what `fit` returns has it.
                    if metric in (logs or {}):
                        steps.report(_numbers(logs))

            return self._fit(hp, [*self.callbacks(), Reporting()])

        hp, metric = self._hyperparameters(config), self.objectives[0].metric
        return Steps(train, self._returned)

    def run_trial(self, config: Mapping[str, Any]) -> Iterator[Any]:
        """The epochs of a tuner's `run_trial`."""
        return Steps(lambda steps: self._run_trial(self._hyperparameters(config), steps.report), self._returned)

    def _hyperparameters(self, config: Mapping[str, Any]) -> Any:
        """KerasTuner's own hyperparameters with the values of a config, which know the line of each."""
        import keras_tuner

        class HyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.lines: dict[str, str] = {}

            def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
                self.lines.setdefault(hyperparameter.name, user_place())
                with suppress(KeyError, ValueError):
                    self.values[hyperparameter.name] = value_in(config, hyperparameter.name)
                return super()._register(hyperparameter, overwrite)

        return HyperParameters()

    def _build(self, hp: Any) -> Any:
        build = getattr(self.tuner, "_build_hypermodel", None)
        return self.hypermodel.build(hp) if build is None else build(hp)

    def _found(self) -> tuple[list[Hyperparameter], bool]:
        """The hyperparameters of all builds, and whether the program's own training reports epochs."""
        found: list[Hyperparameter] = []
        reports = False

        def run(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Hyperparameter]]:
            nonlocal reports
            hp = self._hyperparameters(values)
            try:
                reports = self._probe(hp) or reports
            except Exception:
                if not values:
                    raise
            for one in hp.space:
                try:
                    found.append(Hyperparameter(one.name, _domain(one), hp.lines[one.name]))
                except ValueError as error:
                    raise InvalidJob("the hypermodel", [Fault(hp.lines[one.name], one.name, str(error))]) from None
            return dict(hp.values), found

        explore(run, limit=_MAX_BUILDS, seconds=_SECONDS)
        return found, reports

    def _probe(self, hp: Any) -> bool:
        """Build a model, and train up to the first call of `fit` or the end of the first epoch; whether that came."""
        import keras

        class FirstEpoch(BaseException):
            """The first epoch begins or has ended."""

        def end(*_: Any, **__: Any) -> None:
            raise FirstEpoch

        class Ending(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                raise FirstEpoch

        if not self.trains:
            self._build(hp)
            return False
        with tempfile.TemporaryDirectory() as folder:
            own = [] if self.tuner is None else [(self.tuner, "directory", folder)]
            with replaced_attributes([(keras.Model, "fit", end), *own]), suppress(FirstEpoch):
                self._run_trial(hp, end) if self.trains == "run_trial" else self._fit(hp, [Ending()])
                return False
        return True

    def _fit(self, hp: Any, callbacks: list[Any]) -> Any:
        """HyperModel.fit with the arguments of the search, for as many epochs as the trial may train."""
        trial, kwargs = current(), {"verbose": 0, **self.arguments["kwargs"], "callbacks": callbacks}
        if trial is not None and "epochs" in kwargs:
            kwargs["epochs"] = trial.epochs
        return self.hypermodel.fit(hp, self._build(hp), *self.arguments["args"], **kwargs)

    def _run_trial(self, hp: Any, report: Callable[[Any], None]) -> Any:
        from keras_tuner.src.engine.trial import Trial

        tuner, trial = self.tuner, current()
        tuner.on_epoch_end = lambda *given, logs=None: report(_numbers(logs if logs is not None else given[-1]))
        tuner.save_model, tuner.executions_per_trial = lambda *_, **__: None, 1
        tuner.oracle.update_trial = lambda _, metrics, **__: report(_numbers(metrics))
        own = Trial(hp, trial.id if trial is not None else "0000")
        return tuner.run_trial(own, *self.arguments["args"], **self.arguments["kwargs"])

    def _fit_fields(self) -> dict[str, Any]:
        """The fields of a job that trains the models itself."""
        search, fields = self.searched, dict[str, Any]()
        if search.get("x") is not None:
            fields["data"] = "data"
        if search.get("callbacks"):
            fields["callbacks"] = "callbacks"
        if search:
            fields["batch_size"] = int(search.get("batch_size") or 32)
        names = ("class_weight", "steps_per_epoch", "validation_steps", "shuffle")
        if fit := {name: search[name] for name in names if search.get(name) is not None}:
            fields["fit"] = fit
        ignored = ("validation_batch_size", "validation_freq", "initial_epoch")
        self.ignored += [name for name in ignored if search.get(name)]
        return fields

    def _budget(self, fields: dict[str, Any]) -> None:
        """Budget, scheduler, searcher and seed of the tuner, and what is ignored."""
        oracle, budget = self.tuner.oracle, fields["budget"]
        kind = type(oracle).__name__.removesuffix("Oracle")
        if self.searched.get("epochs"):
            budget["epochs"] = int(self.searched["epochs"])
        if oracle.max_trials is not None:
            budget["trials"] = int(oracle.max_trials)
        if kind == "Hyperband":
            budget["epochs"], factor = int(oracle.max_epochs), int(oracle.factor)
            ends = math.ceil(1 + math.log(budget["epochs"], factor))
            brackets = 1 + max(number for number in range(64) if factor**number <= budget["epochs"])
            configs = sum(math.ceil(ends / (number + 1) * factor**number) for number in range(brackets))
            budget["trials"] = configs * (1 if math.isinf(oracle.hyperband_iterations) else oracle.hyperband_iterations)
            fields["scheduler"] = {"kind": "hyperband", "reduction_factor": factor}
        if kind == "GridSearch" and (count := combinations(fields.get("space", {}))) is not None:
            fields["searcher"] = "grid"
            budget.setdefault("trials", count)
        elif kind in ("GridSearch", "BayesianOptimization"):
            self.ignored.append(kind)
        budget.setdefault("epochs", 1)
        if oracle.seed is not None:
            fields["seed"] = int(oracle.seed)
        if not self.trains and self.tuner.executions_per_trial > 1:
            fields["repeats"] = self.tuner.executions_per_trial
        if getattr(self.tuner, "distribution_strategy", None) is not None:
            self.ignored.append("distribution_strategy")
        if oracle.hyperparameters.space:
            self.ignored.append("the tuner's own hyperparameters")

    def _returned(self, value: Any, count: int) -> dict[str, float] | None:
        """The metrics of a training that has reported no epoch, from its return value."""
        if count or value is None:
            return None
        metric = self.objectives[0]
        if isinstance(value, list | tuple) and value:
            each = [self._returned(one, 0) or {} for one in value]
            return {name: sum(one[name] for one in each) / len(each) for name in each[0]}
        if isinstance(value, Mapping):
            return _numbers(value)
        if hasattr(value, "history"):
            losses = [metric.loss(float(one)) for one in value.history.get(metric.metric, ())]
            best = int(np.nanargmin(losses)) if np.isfinite(losses).any() else -1
            # A metric that is not computed in each epoch has fewer values.
            return {name: float(each[min(best, len(each) - 1)]) for name, each in value.history.items() if each}
        return {metric.metric: float(value)}


def _is_own(owner: Any, method: str) -> bool:
    """Whether a method is the program's, and not KerasTuner's."""
    return not str(getattr(type(owner), method).__module__).startswith("keras_tuner")


def _domain(one: Any) -> Any:
    """A hyperparameter of KerasTuner as a domain."""
    kind = type(one).__name__
    if kind == "Boolean":
        return Choice((False, True))
    if kind == "Choice":
        return choice(distinct(one.values))
    if kind == "Fixed":
        return one.value
    if one.sampling == "reverse_log":
        raise ValueError("must be sampled linearly or logarithmically, not by 'reverse_log'")
    number, log = (int if kind == "Int" else float), one.sampling == "log"
    if log and one.step is not None and one.max_value > one.min_value:
        count = math.floor(math.log(one.max_value / one.min_value, one.step) + 1e-9) + 1
        return choice([number(one.min_value * one.step**exponent) for exponent in range(count)])
    if kind == "Int":
        return integers(one.min_value, one.max_value, one.step or 1, log=log)
    return floats(one.min_value, one.max_value, one.step, log=log)


def _split(x: Any, y: Any = None, weight: Any = None) -> Any:
    if y is None and not isinstance(x, np.ndarray | list | dict | tuple) and not hasattr(x, "to_numpy"):
        return x
    arrays = [value.to_numpy() if hasattr(value, "to_numpy") else value for value in (x, y, weight)]
    return Split(*(np.asarray(value) if hasattr(value, "numpy") else value for value in arrays))


def _numbers(logs: Any) -> dict[str, float]:
    return {name: float(value) for name, value in dict(logs or {}).items()}
