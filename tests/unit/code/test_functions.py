"""Functions as identities: their names in a file, their digests, and what notebooks define."""
# ruff: noqa: ARG005

import functools
import json
import sys
import types

import pytest

from pipeline.code.functions import (
    UnloadedFunction,
    as_function,
    origin,
    python_function,
    same_code,
    takes_argument,
    takes_state,
)
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
    "a partial call": "import functools\ndef build(k, config): return k\nJOB = job(functools.partial(build, 1))",
    "a method": "class Maker:\n    def build(self, config): return 1\nMAKER = Maker()\nJOB = job(MAKER.build)",
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


@pytest.mark.parametrize("value", [max, int, 3, None, "f", functools.partial(max, 1)])
def test_what_python_code_does_not_define_is_no_function(value):
    assert as_function(value) is None


def test_code_that_differs_in_comments_and_layout_is_the_same(write):
    text = JOB.format("def build(config): return 1\nJOB = job(build)")
    one = load_module(write({"a_job.py": text}) / "a_job.py").JOB.model
    other = load_module(write({"a_job.py": f"# a comment\n{text}\n\n"}) / "a_job.py").JOB.model
    third = load_module(write({"a_job.py": text.replace("return 1", "return 2")}) / "a_job.py").JOB.model
    assert same_code(one, other)
    assert not same_code(one, third)
    assert not same_code(one, UnloadedFunction("a_job:build", None))


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
        (functools.partial(lambda k, config: 0, 1), True, False),
    ],
)
def test_what_a_function_takes(function, argument, state):
    assert takes_argument(function) == argument
    assert takes_state(function) == state
    assert python_function(function).__code__


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
def test_a_typed_function_is_known_by_its_own_code(before, after, same, monkeypatch):
    def reference(cell):
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(compile(cell, "<ipython-input-1>", "exec"), vars(main))
        assert not origin(main.f).loadable
        job = TuneJob(name="a", function=main.f, space={}, objectives=Objective("v", "max"))
        return job.to_json()["function"]

    assert (reference(before)["function"], reference(before)["sha256"]) == ("__main__:f", None)
    assert (reference(before) == reference(after)) == same


def test_the_same_typed_function_is_found_among_others_of_its_name():
    code = [compile(f"f = lambda c: {value}", "<cell>", "exec") for value in (1, 2, 3)]
    home = {"__name__": "__main__"}
    functions = [exec(each, home) or home["f"] for each in code]
    job = TuneJob(name="a", function=functions[1], space={}, objectives=Objective("v", "max"))
    assert TuneJob.from_json(job.to_json(), here=functions[::-1]).function(None) == 2
    assert isinstance(TuneJob.from_json(job.to_json(), placeholders=True).function, UnloadedFunction)
    with pytest.raises(InvalidJob) as refused:
        TuneJob.from_json(job.to_json())
    assert refused.value.faults[0].field == "function"
