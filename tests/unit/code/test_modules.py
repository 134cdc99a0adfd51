"""Job files as modules."""

import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.code.modules import content_of, end_loading, load_module, script_arguments
from pipeline.errors import InvalidJob, JobNotFound


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
    assert not (folder / "__pycache__").exists() or not list((folder / "__pycache__").glob("my job*"))


@pytest.mark.parametrize(
    ("text", "found", "allowed"),
    [
        ("x = 1\nx = (", "SyntaxError", "run as Python"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2)", "must not end the process"),
        ("a = 1\nb = a / 0", "ZeroDivisionError: division by zero (line 2)", "run as Python"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "cannot be shown", "run as Python"),
    ],
)
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
    text = "from pipeline.code.modules import end_loading\nX = 1\nend_loading()\nX = 2"
    assert load_module(write({"runs.py": text}) / "runs.py").X == 1
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
