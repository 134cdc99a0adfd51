"""Where a session's numbers come from: without secrets, with or without git."""

import json
import shutil
import subprocess
import sys

import pytest

from pipeline import Objective, TuneJob, run
from pipeline.execution.provenance import command_line, commit_of
from pipeline.results.views.study import results_object


@pytest.mark.parametrize(("words", "reported"), [
    ("--storage s3://me:pw@host/b?region=x", "--storage s3://***@host/b?region=x"),
    ("s3://b/x?access_key=A&region=x&secret_key=B", "s3://b/x?access_key=***&region=x&secret_key=***"),
    ("--mlflow https://host/?token=abc", "--mlflow https://host/?token=***"),
    ("--token abc --api-key=abc --x", "--token *** --api-key=*** --x"),
    ("--hf_token abc --aws-secret-access-key=x", "--hf_token *** --aws-secret-access-key=***"),
    ("--authToken=abc clientSecret=x --authtoken y", "--authToken=*** clientSecret=*** --authtoken ***"),
    ("--set space.max_tokens=5 space.sigma=1", "--set space.max_tokens=5 space.sigma=1"),
    ("DB_PASSWORD=abc abfs://c@account/b?sas=s%20v", "DB_PASSWORD=*** abfs://***@account/b?sas=***"),
])  # fmt: skip
def test_secrets_are_no_part_of_a_command_line(words, reported):
    assert command_line(words.split()) == reported.split()


@pytest.fixture
def repository(tmp_path):
    """A repository with a job's file in its one commit."""
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "job.py").write_text("JOB = 1\n")
    git("add", ".")
    git("commit", "-m", "Begin")
    return tmp_path


def test_a_job_s_commit_is_reported_and_whether_files_differ(repository):
    (repository / "studies.txt").write_text("untracked")
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
    assert commit_of(repository / "job.py") == {"commit": head, "dirty": False}
    (repository / "new.py").write_text("JOB = 2\n")
    assert commit_of(repository / "job.py", [repository / "new.py"])["dirty"]
    (repository / "job.py").write_text("JOB = 2\n")
    assert commit_of(repository / "job.py")["dirty"]


def test_a_file_of_no_commit_has_none(repository, tmp_path_factory, monkeypatch):
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(outside.parent))
    assert commit_of(outside / "job.py") is None
    monkeypatch.setenv("PATH", str(outside))
    assert commit_of(repository / "job.py") is None


def flat(config):
    yield {"score": 1.0}


def test_a_session_tells_where_its_numbers_come_from(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tunepipe", "run", "job.py", "--storage", "s3://me:pw@host/b"])
    job = TuneJob(
        name="s", function=flat, space={"x": 1.0}, objectives=[Objective("score", "max")], seed=11,
        resources={"workers": 0},
    ).replaced({"budget.trials": 1})  # fmt: skip
    results = run(job, storage=tmp_path)
    assert "me:pw" not in (tmp_path / "s/sessions/0001.json").read_text()
    (session,) = json.loads(json.dumps(results_object(results)))["sessions"]
    provenance = session["provenance"]
    assert (provenance["seed"], provenance["command"][-1]) == (11, "s3://***@host/b")
    assert {"python", "numpy", "keras", "tensorflow", "ray"} <= set(provenance["versions"])
    assert provenance["machine"]["cores"] >= 1
    assert [node["host"] for node in session["nodes"]] == [provenance["machine"]["host"]]
    assert "resume" not in session
