"""Functions as identities: their names in a file, their digests, and what notebooks define."""
# ruff: noqa: ARG005

import functools
import json
import linecache
import random
import sys
import types

import pytest

from pipeline.code import (
    UnloadedFunction,
    as_function,
    home_of,
    is_loadable,
    load_module,
    module_of,
    python_function,
    same_code,
    takes_argument,
    takes_hyperparameters,
    takes_state,
)
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
    "an object that is called": "class Maker:\n    def __call__(self, config): return 1\nJOB = job(Maker())",
    "a decorated function": "import functools\n"
    "def same(f):\n    @functools.wraps(f)\n    def g(c): return f(c)\n    return g\n"
    "@same\ndef build(config): return 1\nJOB = job(build)",
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_function_is_found_again_by_its_name(form, write):
    folder = write({"a_job.py": JOB.format(FORMS[form])})
    job = load_module(folder / "a_job.py").JOB
    assert job.resumable
    assert module_of(job.model) == "a_job"
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
    assert home_of(job.model)["__name__"] == "a_job"


def test_a_variable_of_a_main_block_is_no_name(write):
    text = JOB.format("JOB = job(lambda c: 1)").replace("\nJOB", "\nif True:\n    JOB")
    assert not load_module(write({"a_job.py": text}) / "a_job.py").JOB.resumable


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


def test_an_unloaded_function_is_never_called():
    placeholder = UnloadedFunction("a_job:build", "0")
    assert placeholder.__name__ == "build"
    with pytest.raises(TypeError):
        placeholder({})


@pytest.mark.parametrize(
    ("function", "argument", "state", "one_by_one"),
    [
        (lambda: 0, False, False, False),
        (lambda config: 0, True, False, False),
        (lambda *args: 0, True, False, False),
        (lambda config, state: 0, True, True, False),
        (lambda config, more: 0, True, True, False),
        (lambda config, state=None: 0, True, True, False),
        (lambda config, seed=0: 0, True, False, False),
        (lambda units, lr=0.1: 0, True, False, True),
        (functools.partial(lambda k, config: 0, 1), True, False, False),
    ],
)
def test_what_a_function_takes(function, argument, state, one_by_one):
    assert takes_argument(function) == argument
    assert takes_state(function) == state
    assert takes_hyperparameters(function, {"units", "lr"}) == one_by_one
    assert python_function(function).__code__


class Notebook:
    """A kernel's namespace, into which cells are typed."""

    def __init__(self, monkeypatch):
        self.main = types.ModuleType("__main__")
        self._cells = 0
        monkeypatch.setitem(sys.modules, "__main__", self.main)

    def type(self, *cells):
        for cell in cells:
            self._cells += 1
            name = f"<ipython-input-{self._cells}>"
            linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
            exec(compile(cell, name, "exec"), vars(self.main))

    def digest(self):
        function = vars(self.main)["f"]
        assert not is_loadable(function)
        job = TuneJob(name="a", function=function, space={}, objectives=Objective("v", "max"))
        reference = job.to_json()["function"]
        assert (reference["function"], reference["sha256"]) == ("__main__:f", None)
        return reference["bytecode_sha256"]


@pytest.fixture
def notebook(monkeypatch):
    return Notebook(monkeypatch)


F = "def f(config):\n    return used(config)"

CHANGES = {
    "code": ("def used(x): return x + 1", "def used(x): return x + 2"),
    "a default": ("def used(x, k=1): return k", "def used(x, k=2): return k"),
    "a global": ("K = 1\ndef used(x): return K", "K = 2\ndef used(x): return K"),
    "a closure": (
        "def made(k):\n    def g(x): return k\n    return g\nused = made(1)",
        "def made(k):\n    def g(x): return k\n    return g\nused = made(2)",
    ),
    "a method": (
        "class A:\n    def m(self, x): return x\ndef used(x): return A().m(x)",
        "class A:\n    def m(self, x): return -x\ndef used(x): return A().m(x)",
    ),
    "an attribute": (
        "class A:\n    def __init__(s, k): s.k = k\nA1 = A(1)\ndef used(x): return A1.k",
        "class A:\n    def __init__(s, k): s.k = k\nA1 = A(2)\ndef used(x): return A1.k",
    ),
    "a partial call": (
        "import functools\nused = functools.partial(pow, exp=2)",
        "import functools\nused = functools.partial(pow, exp=3)",
    ),
    "a cached function": (
        "import functools\n@functools.cache\ndef used(x): return x",
        "import functools\n@functools.cache\ndef used(x): return -x",
    ),
    "an implementation of single dispatch": (
        "import functools\n@functools.singledispatch\ndef used(x): return 0\n@used.register\ndef _(x: int): return 1",
        "import functools\n@functools.singledispatch\ndef used(x): return 0\n@used.register\ndef _(x: int): return 2",
    ),
    "a dict": (
        "D = {'a': lambda x: x}\ndef used(x): return D['a'](x)",
        "D = {'a': lambda x: 0}\ndef used(x): return D",
    ),
    "an array": (
        "import numpy as np\nN = np.arange(3)\ndef used(x): return N",
        "import numpy as np\nN = np.arange(3) + 1\ndef used(x): return N",
    ),
    "a module": ("import math as m\ndef used(x): return m.pi", "import cmath as m\ndef used(x): return m.pi"),
    "a path": (
        "from pathlib import Path\nP = Path('a')\ndef used(x): return P",
        "from pathlib import Path\nP = Path('b')\ndef used(x): return P",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_typed_function_is_known_by_what_it_and_its_helpers_do(what, notebook):
    before, after = CHANGES[what]
    notebook.type(before, F)
    digest = notebook.digest()
    notebook.main.used(3) if what != "a partial call" else None
    notebook.type(f"# again\n\n{before}", f"\n{F}  # the same")
    assert notebook.digest() == digest
    notebook.type(after)
    assert notebook.digest() != digest


def test_what_a_typed_function_does_not_use_does_not_count(notebook):
    notebook.type("def used(x): return x", F)
    digest = notebook.digest()
    notebook.type("K = 3\nunused = [1]\ndef other(): pass")
    assert notebook.digest() == digest


def test_the_same_typed_function_is_found_among_others_of_its_name(notebook):
    notebook.type("fs = [lambda c: 1, lambda c: 2, lambda c: 3]")
    functions = list(notebook.main.fs)
    job = TuneJob(name="a", function=functions[1], space={}, objectives=Objective("v", "max"))
    random.Random(0).shuffle(functions)
    assert TuneJob.from_json(job.to_json(), here=functions).function(None) == 2
    assert isinstance(TuneJob.from_json(job.to_json(), placeholders=True).function, UnloadedFunction)
    with pytest.raises(InvalidJob) as refused:
        TuneJob.from_json(job.to_json())
    assert refused.value.faults[0].field == "function"
