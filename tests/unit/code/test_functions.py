"""Functions as identities: their names in a file, their digests, what notebooks define; and job files as modules."""
# ruff: noqa: ARG005

import functools
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from pipeline.code.functions import UnloadedFunction, origin, takes_argument, takes_state
from pipeline.code.modules import content_of, end_loading, load_module, script_arguments
from pipeline.errors import InvalidJob, JobNotFound
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


@pytest.mark.parametrize(("function", "argument", "state"), [
    (lambda: 0, False, False),
    (lambda config: 0, True, False),
    (lambda *args: 0, True, False),
    (lambda config, state: 0, True, True),
    (lambda config, more: 0, True, True),
    (lambda config, state=None: 0, True, True),
    (lambda config, seed=0: 0, True, False),
])  # fmt: skip
def test_a_function_takes_a_config_and_a_state_by_its_parameters(function, argument, state):
    assert takes_argument(function) == argument
    assert takes_state(function) == state


@pytest.mark.parametrize(("before", "after", "same"), [
    ("def f(config): return 1", "def f(config): return 2", False),
    ("def f(config): return [x for x in a]", "def f(config): return [x for x in b]", False),
    ("def f(config): return g(1)", "def f(config): return h(1)", False),
    ("def f(config):\n    def g(): return 1", "def f(config):\n    def g(): return 2", False),
    # The order of a frozenset, which this set becomes, differs.
    ("def f(config): return 1 in {0, 8}", "def f(config): return 1 in {8, 0}", True),
    ("def f(config): return 1", "# again\n\ndef f( config ):  # the same\n    return 1", True),
])  # fmt: skip
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


def refused(path):
    with pytest.raises(InvalidJob) as error:
        load_module(path)
    (fault,) = error.value.faults
    return fault


def test_a_job_file_is_a_script_that_imports_the_modules_next_to_it(write):
    folder = write({"my job.v2.py": "import helper\nVALUE = helper.VALUE\nNAME = __name__", "helper.py": "VALUE = 3"})
    module = load_module(folder / "my job.v2.py")
    assert (module.VALUE, module.NAME) == (3, "my job.v2")
    assert sys.modules["my job.v2"] is module
    assert content_of(vars(module)) == (folder / "my job.v2.py").read_bytes()
    assert not list((folder / "__pycache__").glob("my job*"))


@pytest.mark.parametrize(
    ("text", "found", "allowed"),
    [
        ("x = 1\nx = (", "SyntaxError", "run as Python"), ("raise GeneratorExit", "GeneratorExit", "run as Python"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2)", "must not end the process"),
        ("a = 1\nb = a / 0", "ZeroDivisionError: division by zero (line 2)", "run as Python"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "cannot be shown", "run as Python"),
    ],
)  # fmt: skip
def test_a_faulty_job_file_is_a_users_mistake_with_its_line(text, found, allowed, write):
    fault = refused(write({"bad_job.py": text}) / "bad_job.py")
    assert found in fault.found
    assert allowed in fault.allowed
    assert "bad_job" not in sys.modules


@pytest.mark.parametrize("name", ["random", "numpy", "pipeline", "__main__", ".hidden", "x" * 201])
def test_a_name_that_hides_a_module_or_cannot_be_copied_is_refused(name, write):
    assert refused(write({f"{name}.py": "X = 1"}) / f"{name}.py").found == f"{name}.py"


@pytest.mark.parametrize("name", ["gone.py", "job.txt", "x" * 300 + ".py"])
def test_what_is_no_python_file_is_not_found(name, write):
    with pytest.raises(JobNotFound):
        load_module(write({"job.txt": ""}) / name)


def test_a_file_that_starts_its_study_ends_there(write):
    for call in ("check", "run"):
        text = f"from pipeline import {call}\nX = 1\n{call}(None)\nX = 2"
        assert load_module(write({f"{call}s.py": text}) / f"{call}s.py").X == 1
    end_loading()


def test_a_file_sees_its_own_command_line_and_the_same_random_numbers_each_time(write):
    text = "import sys, random\nimport numpy as np\nARGS = sys.argv\nX = random.random(), np.random.rand()"
    path = write({"drawn.py": text}) / "drawn.py"
    np.random.seed(5)
    state = np.random.get_state()[1].tolist()
    one, other = load_module(path), load_module(path)
    assert one.X == other.X
    assert [str(path)] == one.ARGS
    assert np.random.get_state()[1].tolist() == state
    with script_arguments(path, ["--size", "3"]):
        assert sys.argv == [str(path), "--size", "3"]


def test_notes_of_tensorflow_are_left_out_and_other_lines_stay():
    lines = ["I0000 00:00:1 cudart", "WARNING: All log messages before absl::InitializeLog() is", "E0000 mine", "text"]
    printed = chr(10).join(lines)
    code = "import os\nfrom pipeline.code.modules import without_notes\nwith without_notes():\n"
    code += f"    os.write(2, {printed!r}.encode())"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.splitlines() == ["E0000 mine", "text"]
