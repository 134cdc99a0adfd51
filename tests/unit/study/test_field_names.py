"""Names of fields that exist, and messages about those that do not."""

from dataclasses import dataclass

import pytest

import pipeline
from pipeline.errors import InvalidJob
from pipeline.study import TuneJob
from pipeline.study.field_names import fields_of, misnamed_field, unknown


@dataclass
class _Settings:
    width: int = 3
    kind: str = "own"


def test_the_fields_of_a_class_are_those_that_a_user_sets() -> None:
    """The fields of a dataclass are those that a user sets, without its kind; other classes have none."""
    assert fields_of(_Settings) == fields_of(_Settings()) == ["width"]
    assert fields_of(3) == []


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (["width", "depth"], "no such field; available: width, depth; did you mean width?"),
        (["depth"], "no such field; available: depth"),
        ([], "no such field; there are none"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(known: list[str], words: str) -> None:
    """An unknown name is refused with the nearest name as a suggestion and all names."""
    assert unknown("field", known, "widht") == words


def test_a_field_of_another_class_is_named_with_that_class() -> None:
    """A field that another class of a job has is refused with the name of that class."""
    assert unknown("field", ["class_weight"], "callbacks") == (
        "no such field; available: class_weight; callbacks is a field of TuneJob"
    )
    assert unknown("field", ["name"], "epochs").endswith("; epochs is a field of Budget")
    assert unknown("field", ["name"], "validation_split").endswith("; validation_split is a field of Dataset")


def test_a_name_of_another_library_has_the_field_of_the_job() -> None:
    """A job's unknown field with a name of Optuna, Ray Tune or KerasTuner is refused with the field that a job has."""
    with pytest.raises(
        InvalidJob, match=r"n_trials: no such field; .*; instead of n_trials use budget=Budget\(trials=…\)"
    ):
        TuneJob(name="a", n_trials=3)
    with pytest.raises(
        InvalidJob, match=r"; instead of direction use objectives=\[Objective\('val_accuracy', 'max'\)\]"
    ):
        TuneJob(name="a", direction="maximize")


def _error(name: str, **fields: object) -> TypeError:
    with pytest.raises(TypeError) as raised:
        getattr(pipeline, name)(**fields)
    return raised.value


def test_a_misnamed_field_of_a_job_s_class_is_a_fault() -> None:
    """A misspelt field of a job's class is reported with the line of the job's file and a similar field."""
    fault = misnamed_field(_error("Budget", trails=3), 7)
    assert fault is not None
    assert (fault.field, fault.found) == ("Budget.trails", "trails= in line 7")
    assert fault.allowed.endswith("did you mean trials?")
    missing = misnamed_field(_error("Objective", metric="val_accuracy"), 7)
    assert str(missing) == (
        "Objective.mode: must be given, as in Objective('val_accuracy', 'max'); found 'Objective(…) in line 7'"
    )
    with pytest.raises(TypeError) as raised:
        pipeline.Choice(8, 16, 32)  # type: ignore[arg-type, call-arg]
    assert str(misnamed_field(raised.value, 7)) == (
        "Choice: must be written as Choice([8, 16, 32]); found 'more values in line 7'"
    )
    without_line = misnamed_field(_error("Budget", trails=3), None)
    assert without_line is not None
    assert without_line.found == "trails="


def test_a_class_with_named_fields_is_shown_with_their_names() -> None:
    """A value by its place, where fields have to be named, is refused with a call that names them."""
    with pytest.raises(TypeError) as raised:
        pipeline.Budget(16)  # type: ignore[misc]
    fault = misnamed_field(raised.value, 7)
    assert fault is not None
    assert fault.allowed.startswith("must be written as Budget(trials=…, epochs=…, ")


def test_a_field_that_is_given_twice_is_a_fault() -> None:
    """A field that is given by its place and by its name exists, and is refused because it is given twice."""
    with pytest.raises(TypeError) as raised:
        pipeline.Objective("val_loss", "min", metric="val_loss")  # type: ignore[misc]
    assert str(misnamed_field(raised.value, 7)) == (
        "Objective.metric: must be given once, as in Objective('val_accuracy', 'max'); found 'two values in line 7'"
    )


def test_a_field_of_a_job_without_its_name_is_a_fault() -> None:
    """A field of a job that is given by its place is reported with the line of the job's file and an example."""
    with pytest.raises(TypeError) as raised:
        pipeline.TuneJob("digits")  # type: ignore[misc]
    fault = misnamed_field(raised.value, 7)
    assert fault is not None
    assert (fault.field, fault.found) == ("TuneJob", "a field by its place in line 7")
    assert fault.allowed.startswith("must get its fields by name, as in TuneJob(name=")


@pytest.mark.parametrize(
    "error",
    [
        TypeError("f() got an unexpected keyword argument 'x'"),
        TypeError("Unknown.__init__() got an unexpected keyword argument 'x'"),
        ValueError("Budget.__init__() got an unexpected keyword argument 'trails'"),
        TypeError("x" * 10**6),
    ],
)
def test_another_error_is_the_user_s_own(error: Exception) -> None:
    """Errors of other functions, classes and kinds are not converted into faults of the job."""
    assert misnamed_field(error, 1) is None
