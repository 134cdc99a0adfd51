"""Job files in packages: the module of each file, and the files that are refused."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import InvalidJob
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study, save_study
from pipeline.study.function_source import module_of
from pipeline.study.job_file import JobFile, import_package, job_file
from pipeline.study.load_module import load_module
from pipeline.study.module_origin import import_folders
from pipeline.study.sources import sources_of

pytestmark = pytest.mark.usefixtures("own_modules")

JOB = """
from pipeline.study import Objective, TuneJob
from .helpers import scale

def steps(config):
    from .inner.late import shift
    yield {"v": scale() + shift()}

JOB = TuneJob(name="a", function=steps, space={}, objectives=Objective("v", "max"))
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files; return the first one."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / next(iter(files))


def in_package(folder: Path, factor: int = 2, top: str = "") -> Path:
    """A job file in the package `tuned`."""
    return write(
        folder,
        {
            "tuned/job.py": JOB,
            "tuned/__init__.py": top,
            "tuned/helpers.py": f"def scale(): return {factor}",
            "tuned/inner/__init__.py": "",
            "tuned/inner/late.py": "from ..helpers import scale\ndef shift(): return 10 * scale()",
        },
    )


def value(job: TuneJob) -> float:
    """The value that the job's function reports."""
    return float(next(iter(job.functions["function"]({})))["v"])


def test_a_job_file_with_relative_imports_is_a_module_of_its_package(tmp_path: Path) -> None:
    """A job file with relative imports is imported as part of its package, whose used modules the study copies."""
    path = in_package(tmp_path)
    assert job_file(path, path.read_bytes()) == JobFile("tuned.job", tmp_path, "tuned")
    job = load_module(path).JOB
    function = job.functions["function"]
    assert (value(job), module_of(function), import_folders([function])) == (22.0, "tuned.job", [tmp_path])
    assert sorted(file.path for file in sources_of(job).files) == [
        "tuned/__init__.py", "tuned/helpers.py", "tuned/inner/__init__.py", "tuned/inner/late.py", "tuned/job.py",
    ]  # fmt: skip


@pytest.mark.parametrize("top", ["", "from .job import JOB"])
def test_the_copies_of_a_package_are_loaded_without_the_original(tmp_path: Path, top: str) -> None:
    """A study loads its job from its copies, even where the package itself imports the job."""
    path = in_package(tmp_path, top=top)
    store = Store(tmp_path / "study")
    save_study(store, load_module(path).JOB)
    path.unlink()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tuned"]:
        del sys.modules[name]
    assert value(load_study(store)) == 22.0


def test_another_package_of_the_same_name_is_forgotten(tmp_path: Path) -> None:
    """A package of the same name in another folder replaces the loaded one."""
    assert value(load_module(in_package(tmp_path / "one")).JOB) == 22.0
    second = in_package(tmp_path / "two", factor=3)
    assert value(load_module(second).JOB) == 33.0
    import_package(job_file(second, second.read_bytes()))
    assert str(tmp_path / "two" / "tuned") in sys.modules["tuned"].__path__


def test_a_file_without_relative_imports_is_a_script(tmp_path: Path) -> None:
    """A job file without relative imports, or with a fallback for them, is a script, also within a package."""
    tried = "try:\n    from .helpers import x\nexcept ImportError:\n    from helpers import x"
    for text in ("import helpers", tried):
        path = write(tmp_path, {"tuned/job.py": text, "tuned/__init__.py": ""})
        assert job_file(path, path.read_bytes()) == JobFile("job", tmp_path / "tuned")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"plain/job.py": "def f():\n    from .helpers import x"},
            "write `from helpers import x`, or add an empty __init__.py to its folder; found 'from .helpers import x "
            r"\(line 2\)'",
        ),
        ({"plain/job.py": "from . import helpers"}, "write `import helpers`, or add"),
        ({"plain/job.py": "from ..a import b"}, "add an empty __init__.py to its folder and those above it"),
        ({"a b/job.py": "from . import x", "a b/__init__.py": ""}, "rename the folder; found 'a b'"),
        ({"tuned/my.job.py": "from . import x", "tuned/__init__.py": ""}, "must have no other dot in its name"),
        ({"tuned/__init__.py": "from . import x"}, "must be another module of the package tuned"),
        ({"json/job.py": "from . import x", "json/__init__.py": ""}, "the module json, which others import"),
    ],
)
def test_relative_imports_outside_a_package_are_refused_with_a_remedy(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    """Relative imports that cannot work are refused before anything runs, with a working alternative."""
    path = write(tmp_path, files)
    with pytest.raises(InvalidJob, match=said):
        load_module(path)


def test_a_script_in_any_case_has_no_relative_imports(tmp_path: Path) -> None:
    """A file that is loaded as a script is refused with relative imports, with the absolute import instead."""
    with pytest.raises(InvalidJob, match="as a script does: write `from helpers import scale`; found"):
        load_module(in_package(tmp_path), script=True)
