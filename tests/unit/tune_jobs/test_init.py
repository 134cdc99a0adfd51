"""Finding jobs by name and by path."""

import textwrap
from pathlib import Path

import pytest

import tune_jobs
from pipeline.errors import InvalidJob, JobNotFound

_JOB = """
from pipeline.space import Uniform
from pipeline.study import Objective, TuneJob

def walk(config):
    yield {"value": config["x"]}

JOB = TuneJob(name="mine", function=walk, space={"x": Uniform(0, 1)}, objectives=[Objective("value", "min")])
"""


def _file(folder: Path, text: str, name: str = "a_job_file.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_modules_that_export_a_job_are_jobs() -> None:
    assert {"beale", "digits-quick", "mnist-asha", "mnist-pbt"} <= set(tune_jobs.names())
    assert tune_jobs.names() == sorted(tune_jobs.names())
    assert "networks" not in tune_jobs.names()


def test_a_path_is_a_job_too(tmp_path: Path) -> None:
    assert tune_jobs.find(_file(tmp_path, _JOB)).name == "mine"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(JobNotFound, match=r"no job 'mnist-ahsa'\. Did you mean 'mnist-asha'\? Available: beale, "):
        tune_jobs.find("mnist-ahsa")
    with pytest.raises(JobNotFound, match=r"no job 'zzz'\. Available: beale"):
        tune_jobs.find("zzz")


def test_a_file_without_a_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidJob, match=r"(?s)a_job_file\.py.*JOB: the file must define JOB = TuneJob\(…\); found nothing"
    ):
        tune_jobs.find(_file(tmp_path, "x = 1"))


@pytest.mark.parametrize("inside", ["def main():\n", "if __name__ == '__main__':\n"])
def test_a_file_that_makes_its_job_inside_is_refused_with_how_to_start_it(inside: str, tmp_path: Path) -> None:
    file = _file(tmp_path, inside + textwrap.indent(_JOB, "    "))
    with pytest.raises(InvalidJob) as error:
        tune_jobs.find(file)
    assert "must define JOB = TuneJob(…) at its top level, not in a function" in str(error.value)
    assert f"`python {file}`" in str(error.value)


def test_a_job_under_another_name_is_found_by_it(tmp_path: Path) -> None:
    file = _file(tmp_path, _JOB + _JOB.replace("JOB =", "best =") + "width = 3\n")
    assert tune_jobs.find(f"{file}:best").name == "mine"
    with pytest.raises(
        InvalidJob, match=r"bets: the file must define bets = .*; its jobs are \S+\.py and \S+\.py:best"
    ):
        tune_jobs.find(f"{file}:bets")
    with pytest.raises(InvalidJob, match=r"width: must be a TuneJob; its jobs are .* found 3"):
        tune_jobs.find(f"{file}:width")
    with pytest.raises(JobNotFound, match=r"gone\.py"):
        tune_jobs.find(f"{tmp_path}/gone.py:best")


@pytest.mark.parametrize("name", ["job.txt", "job.PY", "job"])
def test_a_file_that_is_not_python_is_reported(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(JobNotFound, match=rf"{name} is not a Python file: the name of a job file ends in \.py"):
        tune_jobs.find(str(tmp_path / name))
