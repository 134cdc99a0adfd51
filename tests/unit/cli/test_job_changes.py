"""Options and `--set` as changes of a job."""

from pathlib import Path

import pytest

from pipeline.cli.job_options import assignments, changes_of, job_of, limits
from pipeline.errors import InvalidJob
from tests.unit.results.studies import Recording, tune_job


def test_a_value_is_json_if_it_can_be_parsed_and_text_otherwise() -> None:
    """In `--set`, the first `=` ends the field, numbers, lists and null are JSON values, and other values are text."""
    pairs = ["space.lr=0.1", "space.layers=[1, 2]", "scheduler=asha", "budget.seconds=null", "description=a=b"]
    assert assignments(pairs) == {
        "space.lr": 0.1,
        "space.layers": [1, 2],
        "scheduler": "asha",
        "budget.seconds": None,
        "description": "a=b",
    }


@pytest.mark.parametrize("pair", ["lr", "=1", ""])
def test_an_assignment_without_field_or_value_is_refused(pair: str) -> None:
    """An assignment without a field or an equals sign is refused with the option's name and an example."""
    with pytest.raises(InvalidJob, match=r"an option.*must be field=value, for example space\.lr=0\.1"):
        assignments([pair], "an option")


def test_deeply_nested_json_is_text() -> None:
    """A value that is nested too deeply for the JSON parser is taken as text."""
    nested = "[" * 100_000
    assert assignments([f"description={nested}"]) == {"description": nested}


def test_only_given_options_change_a_job() -> None:
    """Options that are not given change no field of a job, and `--set` has priority over an option."""
    given = {**limits(3, None, None, None, 0), "seed": None}
    assert changes_of(given, ["budget.trials=5", "name=x"]) == {
        "budget.trials": 5,
        "resources.workers": 0,
        "name": "x",
    }
    assert changes_of({}, None) == {}


def test_a_resumed_study_keeps_its_budget_except_for_the_changes(tmp_path: Path) -> None:
    """With `resume`, budget and resources are those of the existing study of that name, with the given changes."""
    Recording(tmp_path, tune_job("digits-quick", scheduler="fifo"))
    recorded = tune_job("digits-quick", scheduler="fifo").budget
    bundled = job_of("digits-quick", {}, str(tmp_path), resume=False)
    assert bundled.budget != recorded

    resumed = job_of("digits-quick", {"budget.trials": 77}, str(tmp_path), resume=True)
    assert resumed.budget.trials == 77
    assert resumed.budget.epochs == recorded.epochs
