"""The names by which a module has a function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.study.function_names import functions_in, name_in, named_in
from pipeline.study.load_module import load_module

pytestmark = pytest.mark.usefixtures("own_modules")

TEXT = """
from pipeline.study import Objective, TuneJob

class Build:
    @staticmethod
    def model(config):
        pass

def made(config):
    return lambda config: iter(())

steps = made({})
JOB = TuneJob(name="a", function=made({}), space={}, objectives=Objective("v", "max"))
if __name__ != "__main__":
    late = made({})
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, Any]:
    """The globals of a module with functions of several kinds."""
    (tmp_path / "of_names.py").write_text(TEXT)
    return vars(load_module(tmp_path / "of_names.py"))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda home: home["made"], "made"),
        (lambda home: home["Build"].model, "Build.model"),
        (lambda home: home["steps"], "steps"),
        (lambda home: home["JOB"].function, "JOB.function"),
        (lambda home: home["late"], None),
        (lambda home: home["made"]({}), None),
    ],
)
def test_a_function_has_the_name_that_finds_it(
    home: dict[str, Any], function: Callable[[dict[str, Any]], Any], name: str | None
) -> None:
    """A function is found by its own name, or by a variable or a job that the module assigns at each import."""
    found = function(home)
    assert name_in(home, found) == name
    assert name is None or named_in(home, name) is found


def test_a_name_that_leads_nowhere_has_no_object(home: dict[str, Any]) -> None:
    """A name that the module does not have, or a part that its object does not have, has no object."""
    assert named_in(home, "absent") is None
    assert named_in(home, "JOB.phases.0.prepare") is None


def test_the_functions_of_a_job_have_the_paths_of_their_fields(home: dict[str, Any]) -> None:
    """A value has the empty path, and the functions of a job have the paths of their fields."""
    assert functions_in(3) == {"": 3}
    assert functions_in(home["JOB"]) == {"": home["JOB"], "function": home["JOB"].function}
