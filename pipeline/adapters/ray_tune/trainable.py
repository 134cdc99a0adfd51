"""A function of Ray Tune, or a Trainable class, as the function of a job."""

import inspect
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.adapters.adapter import Adapter
from pipeline.adapters.loops import returned_after
from pipeline.adapters.metrics import flat, numeric
from pipeline.adapters.program import Call
from pipeline.adapters.ray_tune.class_steps import class_steps
from pipeline.adapters.ray_tune.entry_points import split_resources, train_as_tune, without_parameters
from pipeline.adapters.ray_tune.mutations import Mutations, mutations_of
from pipeline.adapters.ray_tune.param_space import config_of, outside_of, points_of, space_of_ray
from pipeline.adapters.ray_tune.sample_from import compute_functions, places_of_functions, with_draws
from pipeline.adapters.ray_tune.stopping import Rules
from pipeline.adapters.ray_tune.tuner import fields_of_tuner, left_out_of_tuner, stated_reports
from pipeline.adapters.steps import Steps
from pipeline.code import content_of
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.internals import reporting_to, scheduler_facts, searcher_facts
from pipeline.space import Grid, RandomStream, draw
from pipeline.study.context import continued_from, current
from pipeline.wording import listed

_SPACES = ("param_space", "search_space", "space", "config")
"""Names of variables that hold a program's space, unless it calls Tuner.fit or tune.run."""

_ANONYMOUS = "_metric"
"""The metric of a number without a name, as Ray Tune calls it."""

_MAX_FIRST_CONFIGS = 1000
"""Number of trials whose first values are drawn apart from those to which a population changes them."""


class TrainableAdapter(Adapter):
    """A function of Ray Tune as the function of a job."""

    def __init__(self, program: Any, name: str, given: Any = None, space: Any = None) -> None:
        super().__init__(program, name, given)
        self._space = space
        self._notes: list[str] = []

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call of Tuner.fit or tune.run has the function, with or without its own parameters."""
        return without_parameters(call.target) is without_parameters(split_resources(self.named)[0])

    @cached_property
    def trainable(self) -> Any:
        """The function, with the parameters that tune.with_parameters gives it."""
        if self.call is not None:
            return self.call.target
        return split_resources(self._given if self.program is None else self.named)[0]

    @cached_property
    def param_space(self) -> Mapping[str, Any]:
        """The param_space, with what the scheduler changes and what functions draw."""
        return self._mutations.space

    @cached_property
    def _mutations(self) -> Mutations:
        facts = self._scheduler
        space, mutations = with_draws(self._given_space), facts.get("mutations") or {}
        return mutations_of(space, mutations, bounds=facts.get("kind") == "PB2")

    @cached_property
    def _scheduler(self) -> Mapping[str, Any]:
        return {} if self.call is None else scheduler_facts(self.call.arguments.get("scheduler"))

    def _check_population(self) -> None:
        """Refuse what a new study must not have; a stored study that has it continues."""
        facts, line = self._scheduler, "" if self.call is None else self.call.line
        if not facts.get("mutations") and facts.get("explore") is not None:
            allowed = "must come with hyperparam_mutations, which say what may change: its function is not called"
            raise InvalidJob("the scheduler", [Fault(line, "custom_explore_fn", allowed)])
        if faults := self._mutations.faults:
            raise InvalidJob("the scheduler", [Fault(line, "a mutation", fault) for fault in faults])

    @cached_property
    def _given_space(self) -> Mapping[str, Any]:
        if self._space is not None:
            return dict(self._space)
        if self.call is not None:
            return dict(self.call.arguments["space"])
        home = {} if self.program is None else vars(self.program.module)
        return next((home[name] for name in _SPACES if isinstance(home.get(name), Mapping)), {})

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of the module that a study copies, as functions of this process."""
        return {"train": lambda config, state: self.steps(config, state)}

    @property
    def function_fields(self) -> Mapping[str, str | None]:
        """The fields of the job that are one of these functions."""
        return {"function": "train"}

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the function and its program define them."""
        if not callable(self.trainable):
            raise InvalidJob(subject, [Fault("name", None, "must be a function of Ray Tune, or a Trainable class")])
        arguments: Mapping[str, Any] = {} if self.call is None else self.call.arguments
        self._check_population()
        file, source = "", ""
        if self.program is not None:
            file = Path(self.program.module.__file__ or "").name
            source = (content_of(vars(self.program.module)) or b"").decode(errors="replace")
        space = space_of_ray(self.param_space, subject, file, source)
        first_values = self._mutations.first_values
        tuned = fields_of_tuner(arguments, self.trainable, self.param_space, {**space, **first_values}, source)
        fields = {"space": space, **tuned}
        search = searcher_facts(arguments.get("search_alg"))
        if self.call is not None and search["space"] and not self.param_space and not given.get("space"):
            allowed = "must have the space in param_space of tune.Tuner, in domains such as tune.uniform"
            raise InvalidJob(subject, [Fault(self.call.line, f"a space in {search['kind']}", allowed)])
        self._notes = []
        explore = self._mutations.explore
        if self._scheduler.get("mutations"):
            fields["scheduler"]["explore"] = explore if any(explore.values()) else list(explore)
        points = [self._given_space if explore else {}, *(search["points"] or ())]
        first = points_of(points, space)
        if first and explore and (fixed := [name for name in first[0] if name in explore]):
            self._notes.append(
                f"Only the first trial begins with {listed(f'{name}={first[0][name]}' for name in fixed)}."
            )
        if first := self._with_draws(first, given, fields):
            fields["start_with"] = first
        if outside := outside_of(points, space):
            self._notes.append(f"{', '.join(outside)} in the first configs is outside of the space, and drawn instead.")
        if "objectives" not in fields and "objectives" not in given:
            where = self.call.line if self.call is not None else subject
            found = "no metric with a mode, min or max"
            allowed = "must be given, in tune.TuneConfig(metric=…, mode=…) or by --set 'objectives=[{\"metric\": …}]'"
            raise InvalidJob(subject, [Fault(where, found, allowed)])
        return fields

    def _with_draws(
        self, first: list[dict[str, Any]], given: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The first configs, with draws from the param_space where the space also has what the scheduler adds."""
        if not (first_values := self._mutations.first_values):
            return first
        # Grids take their values in turn, here as in Ray Tune.
        first_values = first_values | {
            name: domain for name, domain in fields["space"].items() if isinstance(domain, Grid)
        }
        budget = given.get("budget", {})
        asked = budget.get("trials") if isinstance(budget, Mapping) else getattr(budget, "trials", None)
        counts = [count for count in (asked, fields["budget"].get("trials")) if isinstance(count, int)]
        seed = abs(asked_seed) if isinstance(asked_seed := given.get("seed"), int) else 0
        drawn = [
            draw(first_values, np.random.default_rng([seed, number, RandomStream.FIRST_VALUES]), number)
            for number in range(min([*counts, 1][0], _MAX_FIRST_CONFIGS))
        ]
        return [config | (first[number] if number < len(first) else {}) for number, config in enumerate(drawn)]

    @property
    def left_out(self) -> list[str]:
        """The settings of the call that the job does not have, a sentence each."""
        left_out = [*self._notes, *([] if self.call is None else left_out_of_tuner(self.call.arguments))]
        if (
            not inspect.isclass(self.trainable)
            and (line := returned_after(without_parameters(self.trainable), "report")) is not None
        ):
            left_out.append(f"The value that line {line} returns is ignored; what is reported counts.")
        if names := ", ".join(".".join(map(str, place)) for place in places_of_functions(self.param_space)):
            left_out.append(f"tune.sample_from is called in each trial for {names}; the tables do not have its values.")
        return left_out

    def steps(self, config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        """The function's reports, each with its checkpoint."""
        from ray import tune

        trial = current()
        text = f"{0 if trial is None else trial.seed} {json.dumps(config, sort_keys=True)}"
        whole = compute_functions(config_of(self.param_space, config), zlib.crc32(text.encode()))
        stop = None if self.call is None else self.call.arguments.get("stop")
        rules = Rules(stop, "trial" if trial is None else trial.id, continued_from())
        if inspect.isclass(self.trainable):
            return class_steps(self.trainable, whole, state, rules)

        def train(steps: Steps) -> Any:
            checkpoint = None if state is None else tune.Checkpoint.from_directory(str(state))
            session = _Session(steps, checkpoint, rules)
            with reporting_to(session), train_as_tune():
                value = self.trainable(whole)
                if not inspect.isgenerator(value):
                    return value
                for report in filter(None, value):
                    session.report(report if isinstance(report, Mapping) else {_ANONYMOUS: report})
                return None

        return Steps(train, _last, length=stated_reports(self.trainable, whole))


class _Session:
    """What Ray's functions reach for a trial."""

    world_rank = world_size = local_rank = local_world_size = node_rank = None
    trial_resources = None

    def __init__(self, steps: Steps, checkpoint: Any, rules: Rules) -> None:
        self._steps, self.loaded_checkpoint, self._rules = steps, checkpoint, rules
        trial = current()
        self.trial_id = self.trial_name = trial.id if trial is not None else "trial"
        self.trial_dir = str(trial.folder if trial is not None else Path.cwd())
        self.experiment_name = self.run_id = "tunepipe"

    def report(self, metrics: Mapping[str, Any], checkpoint: Any = None, **_: Any) -> None:
        """Report an epoch, and wait for the next one."""
        with ExitStack() as opened:
            state = None
            if checkpoint is not None:
                state = Path(opened.enter_context(checkpoint.as_directory()))
            self._steps.report((numeric(flat(metrics)), state), last=self._rules.end_after(metrics))


def _last(value: Any, count: int) -> Any:
    """What a function returns counts where it has reported nothing."""
    if count or value is None:
        return None
    return numeric(flat(value)) if isinstance(value, Mapping) else {_ANONYMOUS: float(value)}
