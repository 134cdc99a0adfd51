"""A study.json of any origin gives the saved job, or a message that names the field."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob, StorageError, UserError
from pipeline.schedulers import PBT
from pipeline.searchers import RandomSearch
from pipeline.space import (
    DOMAINS,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    QUniform,
    Space,
    Switch,
    Uniform,
    draw,
    perturb,
)
from pipeline.storage import Store, layout
from pipeline.study import Budget, Checkpoints, Objective, Resources, TuneJob, load_study


def build_model(config: dict[str, Any]) -> None:
    """A model function of a job."""


WHOLE = TuneJob(
    name="whole",
    description="Every field has its own value",
    model=build_model,
    callbacks=build_model,
    data="digits",
    space={
        "uniform": Uniform(0.0, 1.0),
        "log": LogUniform(1e-4, 1.0),
        "whole": IntUniform(1, 64, log=True),
        "steps": QUniform(0.0, 1.0, 0.1),
        "choice": Choice([2, 2.5, "three", True]),
        "grid": Grid(["a", "b"]),
        "fixed": 3,
        "branch": Switch({"one": {"inner": Uniform(0.0, 1.0), "deep": Switch({"a": {}, "b": {"x": 1}})}, "two": {}}),
    },
    objectives=[Objective("val_accuracy", "max"), Objective("val_loss", "min")],
    scheduler=PBT(interval=2),
    searcher=RandomSearch(),
    budget=Budget(trials=8, epochs=8, total_epochs=32, seconds=60.0, target=0.9, max_failed_trials=2),
    resources=Resources(cpus=0.5, gpus=0.5, workers=1, epoch_seconds=60.0, worker_gigabytes=2.0),
    checkpoints=Checkpoints(seconds=5.0, top=3),
    batch_size=32,
    seed=7,
    trial_seeds=True,
    repeats=2,
).to_json()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value, its own first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in pairs for place in _places(item, (*path, key)))]


def _put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    tree = copy.deepcopy(tree)
    if not path:
        return value
    at = tree
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return tree


_EDGES = [0, -1, 2**31, 2**63 - 1, -(2**63), 2**64, -(10**400), 10**4000, 5e-324, 1e300, 1.8e308, -math.inf, math.nan]
_NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from(_EDGES))
_ODD = ["", " ", "\0", "\n", "\ud800", "\u202e", "💥", "x" * 5000, "../../etc", "asha", "min", "json:dumps"]
_TEXTS = st.text(max_size=20) | st.sampled_from(_ODD)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_KINDS = [*DOMAINS, "asha", "pbt", "fifo", "nope"]
_KEYS = _TEXTS | st.sampled_from(
    ["kind", "low", "high", "q", "values", "branches", "function", "sha256", "name", "mode"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_KEYS, inner, max_size=4),
        st.builds(lambda kind, rest: {**rest, "kind": kind}, st.sampled_from(_KINDS), st.dictionaries(_KEYS, inner)),
    ),
    max_leaves=6,
)
_DEEP = json.loads("[" * 90 + "]" * 90)


def _judged(fields: dict[str, Any]) -> None:
    """Read a job; it is refused in a message with its fields, or is equal after JSON."""
    try:
        job = TuneJob.from_json(fields, load=False)
    except InvalidJob as error:
        refused = error
    else:
        written = json.dumps(job.to_json(), allow_nan=False)
        assert TuneJob.from_json(json.loads(written), load=False) == job
        return
    assert refused.faults
    assert all(fault.field and fault.allowed for fault in refused.faults)
    assert len(str(refused)) < 20_000


@given(place=st.sampled_from(_places(WHOLE)[1:]), value=_VALUES)
@example(place=("space",), value=_DEEP)
@example(place=("name",), value=_DEEP)
@example(place=("model",), value={"function": "os:system"})
def test_any_value_at_any_place_is_accepted_or_refused(place: tuple[Any, ...], value: Any) -> None:
    _judged(_put(WHOLE, place, value))


@given(drop=st.lists(st.sampled_from(list(WHOLE)), max_size=4), more=st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_missing_fields_have_defaults_and_unknown_ones_are_refused(drop: list[str], more: dict[str, Any]) -> None:
    _judged({**{name: value for name, value in WHOLE.items() if name not in drop}, **more})


@given(content=st.one_of(st.binary(max_size=200), _VALUES.map(lambda value: json.dumps(value).encode())))
@example(content=b"[" * 100_000 + b"]" * 100_000)
@example(content=b'{"schema_version": 1, "job": ' + b'{"space":' * 500 + b"1" + b"}" * 501)
@example(content=b'{"schema_version": 1, "job": {"seed": ' + b"9" * 5000 + b"}}")
@example(content=b'{"schema_version": NaN, "job": {}}')
@example(content=b'{"schema_version": ' + b"[" * 99 + b"]" * 99 + b', "job": {}}')
def test_any_bytes_as_study_json_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    from pipeline.results import load_results

    store = Store(tmp_path_factory.mktemp("any"))
    store.write(layout.STUDY, content)
    for read in (lambda: load_study(store), lambda: load_results(store.uri)):
        with pytest.raises(UserError, match=r"study\.json|^job|^the job"):
            read()


def test_a_huge_study_json_is_not_read(tmp_path: Path) -> None:
    (tmp_path / layout.STUDY).touch()
    with (tmp_path / layout.STUDY).open("r+b") as file:
        file.truncate(100_000_000)
    with pytest.raises(StorageError, match=r"study\.json in .* has more than 10,000,000 bytes"):
        load_study(Store(tmp_path))


def test_many_mistakes_are_not_all_listed() -> None:
    with pytest.raises(InvalidJob, match="… and 950 more") as refused:
        TuneJob.from_json({**WHOLE, **{f"field{number}": number for number in range(1000)}}, load=False)
    assert len(refused.value.faults) == 1000


_BOUNDS = st.integers(-10, 10) | st.floats(-10, 10) | _NUMBERS
_CHOICES = st.lists(st.one_of(st.booleans(), _BOUNDS, st.text(max_size=5)), max_size=4)
_ANY_DOMAIN = st.one_of(
    st.builds(Uniform, _BOUNDS, _BOUNDS),
    st.builds(LogUniform, _BOUNDS, _BOUNDS),
    st.builds(IntUniform, _BOUNDS, _BOUNDS, st.booleans()),
    st.builds(QUniform, _BOUNDS, _BOUNDS, _BOUNDS),
    st.builds(Choice, _CHOICES),
    st.builds(Grid, _CHOICES),
)


@given(
    space=st.dictionaries(st.sampled_from(["lr", "width", "kind"]), _ANY_DOMAIN | _SCALARS), seed=st.integers(0, 2**31)
)
def test_a_space_that_is_accepted_has_configs(space: dict[str, Any], seed: int) -> None:
    try:
        read = TypeAdapter(Space).validate_python(space)
    except ValidationError:
        return
    first, second = ([draw(read, np.random.default_rng(seed), index) for index in range(3)] for _ in range(2))
    assert first == second
    for config in (*first, perturb(read, first[0], np.random.default_rng(seed), resample_probability=0.5)):
        assert list(config) == list(space)
        assert json.loads(json.dumps(config, allow_nan=False)) == config
        assert all(not hasattr(domain, "draw") or domain.contains(config[name]) for name, domain in read.items())
