"""Messages of Ray and its libraries in the process of a study."""

import subprocess
import sys

import pytest

from pipeline.execution.ray.environment import ENVIRONMENT
from tests.ray_sources import check_text

IMPORTED = """
import sys
import warnings

from IPython.core.interactiveshell import InteractiveShell
from pipeline.execution.ray.environment import ray_environment

sys.modules["ipywidgets"] = None

class ZMQInteractiveShell(InteractiveShell):
    pass

ZMQInteractiveShell.instance().config.IPKernelApp.parent_appname = ""
with ray_environment():
    from tqdm.notebook import WARN_NOIPYW
    warnings.warn(WARN_NOIPYW)
    warnings.warn("another warning")
"""


def test_warnings_about_missing_widgets_are_suppressed() -> None:
    """Without widgets, warnings of tqdm and Ray about ipywidgets are suppressed and other warnings are printed."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, timeout=200)
    assert "another warning" in done.stderr
    assert "IProgress" not in done.stderr
    assert "Missing packages" not in done.stderr


CHECKED = """
import sys

from IPython.core.interactiveshell import InteractiveShell
from pipeline import Budget, Objective, TuneJob, Uniform
from pipeline.execution.ray.job_transport import pack

sys.modules["ipywidgets"] = None

class ZMQInteractiveShell(InteractiveShell):
    pass

ZMQInteractiveShell.instance().config.IPKernelApp.parent_appname = ""

def score(config):
    yield {"y": 1}

job = TuneJob(name="t", function=score, space={"x": Uniform(0, 1)}, objectives=[Objective("y", "max")], budget=Budget())
print(len(pack(job)[0]) > 0)
"""


def test_the_functions_of_a_notebook_are_packed_without_warnings() -> None:
    """A check of a notebook's job, which packs its functions, prints nothing about missing widgets."""
    done = subprocess.run([sys.executable, "-c", CHECKED], capture_output=True, text=True, check=True, timeout=200)
    assert done.stdout == "True\n"
    assert "IProgress" not in done.stderr
    assert "Missing packages" not in done.stderr


CUT_OFF = """
import sys
from pipeline.execution.ray.environment import ray_environment

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "ray":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
try:
    with ray_environment():
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_import_of_ray_that_is_cut_off_raises_what_cut_it_off() -> None:
    """Ctrl-C while Ray is imported stays a KeyboardInterrupt."""
    done = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True, check=False, timeout=200)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


@pytest.mark.parametrize("variable", [name for name in ENVIRONMENT if name.startswith(("RAY_", "TUNE_"))])
def test_each_variable_is_one_that_ray_reads(variable: str) -> None:
    """Ray still has each environment variable that a study sets."""
    file = {
        "RAY_AIR_NEW_OUTPUT": "tune/experimental/output.py",
        "RAY_DEDUP_LOGS": "_private/ray_constants.py",
        "RAY_USAGE_STATS_ENABLED": "_common/usage/usage_constants.py",
    }.get(variable, "tune/constants.py")
    check_text(
        f'"{variable}"',
        file,
        "pipeline/execution/ray/environment.py sets it",
        "a study runs with Ray's default: more output, other limits, or unused files",
    )
