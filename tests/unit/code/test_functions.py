"""Functions as identities: their names in a file, their digests, and what notebooks define."""
# ruff: noqa: ARG005

import functools
import json
import sys
import types

import pytest

from pipeline.code.functions import UnloadedFunction, origin, takes_argument, takes_state
from pipeline.code.modules import load_module
from pipeline.errors import InvalidJob
from pipeline.study import Objective, TuneJob

JOB = """
from pipeline.study import Objective, TuneJob

def job(model):
    return TuneJob(name="a", model=model, data="mnist", space={{}}, objectives=Objective("v", "max"))
{}
"""

FORMS = {
    "a function": "def build(config): return 1\nJOB = job(build)",
    "a lambda of a variable": "build = lambda config: 1\nJOB = job(build)",
    "a lambda of the job": "JOB = job(lambda config: 1)",
    "a closure": "def made(k):\n    def build(config): return k\n    return build\nJOB = job(made(1))",
    "a decorated function": "import functools\n"
    "def same(f):\n    @functools.wraps(f)\n    def g(c): return f(c)\n    return g\n"
    "@same\ndef build(config): return 1\nJOB = job(build)",
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_function_is_found_again_by_its_name(form, write):
    folder = write({"a_job.py": JOB.format(FORMS[form])})
    job = load_module(folder / "a_job.py").JOB
    assert job.resumable
    assert origin(job.model).module == "a_job"
    stored = json.loads(json.dumps(job.to_json()))
    load_module(folder / "a_job.py")
    again = TuneJob.from_json(stored)
    assert again.model(None) == 1
    assert again.to_json() == stored


def test_a_function_of_a_job_that_another_module_makes_belongs_to_the_jobs_file(write):
    factory = JOB.format("def make(): return job(lambda config: 1)")
    folder = write({"factory.py": factory, "a_job.py": "import factory\nJOB = factory.make()"})
    job = load_module(folder / "a_job.py").JOB
    assert job.to_json()["model"]["function"] == "a_job:JOB.model"


@pytest.mark.parametrize("value", [max, int, 3, "f", functools.partial(len), "x".join])
def test_what_is_not_defined_with_def_or_lambda_is_no_function(value):
    with pytest.raises(InvalidJob) as refused:
        TuneJob(name="a", function=value, space={}, objectives=Objective("v", "max"))
    assert refused.value.faults[0].field == "function"


@pytest.mark.parametrize(
    ("function", "argument", "state"),
    [
        (lambda: 0, False, False),
        (lambda config: 0, True, False),
        (lambda *args: 0, True, False),
        (lambda config, state: 0, True, True),
        (lambda config, more: 0, True, True),
        (lambda config, state=None: 0, True, True),
        (lambda config, seed=0: 0, True, False),
    ],
)
def test_what_a_function_takes(function, argument, state):
    assert takes_argument(function) == argument
    assert takes_state(function) == state


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("def f(config): return 1", "def f(config): return 2", False),
        ("def f(config): return [x for x in a]", "def f(config): return [x for x in b]", False),
        ("def f(config): return g(1)", "def f(config): return h(1)", False),
        ("def f(config):\n    def g(): return 1", "def f(config):\n    def g(): return 2", False),
        ("def f(config): return 1", "# again\n\ndef f( config ):  # the same\n    return 1", True),
    ],
)
def test_a_typed_function_is_loaded_only_where_the_same_is_typed(before, after, same, monkeypatch):
    def job(cell):
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(compile(cell, "<ipython-input-1>", "exec"), vars(main))
        return TuneJob(name="a", function=main.f, space={}, objectives=Objective("v", "max"))

    first = job(before)
    assert not first.resumable
    saved = first.to_json()
    again = job(after)
    assert isinstance(TuneJob.from_json(saved, load=False).function, UnloadedFunction)
    if same:
        assert TuneJob.from_json(saved).function is again.function
        return
    with pytest.raises(InvalidJob) as refused:
        TuneJob.from_json(saved)
    assert refused.value.faults[0].field == "function"
