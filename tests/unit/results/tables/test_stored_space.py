"""The space in the content of a study.json."""

from pipeline.results.tables.stored_space import parameters_of, space_of
from pipeline.space import Choice, LogUniform, Switch, Uniform
from tests.unit.results.studies import tune_job

SPACE = {
    "lr": LogUniform(0.001, 1.0),
    "fixed": [1, 2],
    "s": Switch({"a": {"p": Uniform(0.0, 1.0)}, "b": {"p": Uniform(0.5, 3.0), "q": Choice((1, "x"))}}),
}
STUDY = {"job": tune_job("a", space=SPACE).to_json()}


def test_a_stored_space_has_the_domains_of_the_job() -> None:
    """The domains of a space that is read from a study.json equal those of the job."""
    assert space_of(STUDY) == SPACE


def test_parameters_of_branches_are_columns_too() -> None:
    """A parameter of several branches is one column with a range that covers all of them."""
    assert parameters_of(STUDY) == {
        "lr": LogUniform(0.001, 1.0),
        "fixed": [1, 2],
        "s": SPACE["s"],
        "p": Uniform(0.0, 3.0),
        "q": Choice((1, "x")),
    }
