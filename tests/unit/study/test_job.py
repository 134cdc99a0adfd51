"""TuneJob is validated as a whole, frozen, and converted to and from JSON."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers import FIFO, PBT, SCHEDULERS, PromotingASHA
from pipeline.searchers import SEARCHERS, GridSearch
from pipeline.space import DOMAINS, Choice, IntUniform, LogUniform
from pipeline.study import Budget, Objective, Resources, TuneJob


def _build(config: dict[str, Any]) -> None:
    """A user's model function."""


def _callbacks(config: dict[str, Any]) -> list[Any]:
    """A user's callbacks function."""
    return []


def _job(**fields: Any) -> TuneJob:
    return TuneJob(
        **{
            "name": "a-job",
            "model": _build,
            "data": "mnist",
            "space": {"lr": LogUniform(1e-4, 1), "units": 64},
            "objectives": [Objective("val_accuracy", "max")],
            **fields,
        }
    )


def test_defaults() -> None:
    """A job without scheduler, searcher, budget and resources gets the defaults of its budget."""
    job = _job()
    assert job.scheduler == PromotingASHA()
    assert job.searcher.kind == "curves"
    assert (job.budget, job.resources) == (Budget(), Resources())
    assert job.objective == Objective("val_accuracy", "max")
    assert list(job.functions) == ["model"]


def test_a_job_is_frozen() -> None:
    """The fields of a job cannot be changed after it was created."""
    job = _job()
    with pytest.raises(ValueError, match="frozen"):
        job.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        job.budget.trials = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"callbacks": _callbacks, "data": _build, "description": "Größe, \n and more"},
        {"model": None, "data": None, "function": _build, "scheduler": FIFO()},
        {"scheduler": PBT(interval=2, quantile=0.5), "budget": Budget(trials=4, seconds=1.5, target=0.25)},
        {"searcher": GridSearch(), "space": {"a": Choice([1, 2.5, "x"]), "b": True, "c": 1.0, "batch_size": 32}},
        {"resources": Resources(cpus=0.5, gpus=2, workers=0, strategy="mirrored"), "seed": 7, "trial_seeds": True},
        {"objectives": [Objective("val_loss", "min"), Objective("val_accuracy", "max")]},
        {"space": {}},
        {"folds": 3, "repeats": 2},
    ],
)
def test_json_both_ways(fields: dict[str, Any]) -> None:
    """A job is equal after a conversion to JSON text and back, and so are its hash and its functions."""
    job = _job(**fields)
    read = TuneJob.from_json(json.loads(json.dumps(job.to_json(), allow_nan=False)))
    assert read == job
    assert hash(read) == hash(job)
    assert read.functions == job.functions
    assert repr(read.space) == repr(job.space)
    assert pickle.loads(pickle.dumps(job)) == job


def test_different_jobs_are_not_equal() -> None:
    """Jobs are unequal if one field differs, even as 1 and 1.0."""
    assert _job() != _job(seed=1)
    assert _job(space={"a": 1}) != _job(space={"a": 1.0})
    assert _job() != "a-job"


def test_one_objective_needs_no_list() -> None:
    """A single objective, positional or by keyword, is read as a list of one; a bare metric is refused."""
    assert _job(objectives=Objective(metric="val_loss", mode="min")).objectives == (Objective("val_loss", "min"),)
    assert _job(objectives={"metric": "val_loss", "mode": "min"}).objective.mode == "min"
    with pytest.raises(InvalidJob, match=r"objectives: must be a list, such as objectives=.* found 'val_accuracy'"):
        _job(objectives="val_accuracy")


def test_settings_by_name() -> None:
    """`scheduler="pbt"` selects that kind with its defaults."""
    assert _job(scheduler="pbt", searcher="random").scheduler == PBT()


@pytest.mark.parametrize("name", ["a", "mnist-asha", "0", "a.b_c-d", "a" * 63])
def test_names(name: str) -> None:
    """A job's name is accepted if it is safe as a folder, a column and a label."""
    assert _job(name=name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "CON",
        "../x",
        "a/b",
        "a\\b",
        ".",
        "..",
        ".a",
        "a.",
        "-a",
        "a-",
        "a b",
        "ä",
        "a\n",
        "a\0",
        "a" * 64,
        3,
        None,
    ],
)
def test_hostile_names_are_refused(name: object) -> None:
    """A name that leads out of the studies' folder, is hidden or differs only by case is refused."""
    with pytest.raises(InvalidJob, match=r"(?m)^  - name: must be "):
        _job(name=name)


def test_a_typed_function_runs_but_is_not_resumable() -> None:
    """A job of a function without a file runs, but cannot be resumed, as a message says."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def build(config): ...", "<cell 1>", "exec"), space)
    job = _job(model=space["build"])
    assert not job.resumable
    assert not _job(model=lambda _: None).resumable
    assert _job().resumable
    with pytest.raises(InvalidJob, match="model: is defined in a notebook, a prompt or another function"):
        TuneJob.from_json(job.to_json())


_leaf = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 3), st.floats(), st.text(max_size=8), st.just("asha")
)
_tree = st.recursive(
    _leaf, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3))
)


def _near(known: dict[str, type]) -> st.SearchStrategy[Any]:
    """An object that is almost valid for one of these kinds."""
    names = sorted({name for cls in known.values() for name in cls.__dataclass_fields__} - {"kind"})
    return st.dictionaries(st.sampled_from(names), _tree, max_size=3).flatmap(
        lambda fields: st.sampled_from([*known, "other"]).map(lambda kind: {**fields, "kind": kind})
    )


_fields = {
    "name": st.one_of(st.just("a"), _tree),
    "function": st.one_of(
        st.just({"function": "json:dumps"}),
        st.fixed_dictionaries({"function": st.sampled_from(["json:no", "no.such:f", "json", "../x:f", ":"])}),
        _tree,
    ),
    "model": _tree,
    "data": _tree,
    "callbacks": _tree,
    "space": st.one_of(
        st.dictionaries(st.sampled_from(["lr", "batch_size", "LR"]), st.one_of(_near(DOMAINS), _tree), max_size=3),
        _tree,
    ),
    "objectives": st.one_of(st.just([{"metric": "m", "mode": "max"}]), _tree),
    "scheduler": st.one_of(_near(SCHEDULERS), st.sampled_from(["asha", "fifo"]), _tree),
    "searcher": st.one_of(_near(SEARCHERS), st.sampled_from(["grid", "random"]), _tree),
    "budget": st.one_of(_near({"": Budget}).map(lambda b: {k: v for k, v in b.items() if k != "kind"}), _tree),
    "resources": _tree,
    "seed": _tree,
    "": _tree,
}
_good = {
    "name": "a",
    "function": {"function": "json:dumps"},
    "space": {},
    "objectives": [{"metric": "m", "mode": "max"}],
}


@given(fields=st.fixed_dictionaries({}, optional=_fields), start=st.sampled_from([{}, _good]))
def test_any_json_is_a_job_or_an_invalid_one(fields: dict[str, Any], start: dict[str, Any]) -> None:
    """Any study.json gives a job or an InvalidJob with each field once and without pydantic's wording."""
    job, faults = _tried({**start, **fields})
    assert (job is None) == bool(faults)
    assert len({fault.field for fault in faults}) == len(faults)
    for fault in faults:
        words = fault.allowed.lower()
        assert not any(jargon in words for jargon in ("input", "valid ", "pydantic", "dictionary", "instance", "tag"))
    if job is not None:
        assert TuneJob.from_json(json.loads(json.dumps(job.to_json(), allow_nan=False))) == job


def _tried(fields: dict[str, Any]) -> tuple[TuneJob | None, tuple[Fault, ...]]:
    try:
        return TuneJob.from_json(fields), ()
    except InvalidJob as error:
        return None, error.faults


@given(space=st.dictionaries(st.sampled_from(["lr", "units", "n"]), st.sampled_from([IntUniform(1, 3), 2, "x"])))
def test_fields_do_not_depend_on_each_other_s_order(space: dict[str, Any]) -> None:
    """A job that is read from JSON with its keys in reverse order is equal."""
    fields = _job(space=space).to_json()
    assert TuneJob.from_json(dict(reversed(fields.items()))) == _job(space=space)
