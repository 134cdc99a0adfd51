"""Where a session's numbers come from: without secrets, with or without git."""

import json
import shutil
import subprocess
import sys

import pytest

from pipeline import Budget, Objective, TuneJob, load_results, run
from pipeline.code import forget_copies
from pipeline.execution.driver.provenance import Provenance, command_line, commit_of, started_as, tunepipe_command
from pipeline.results.views.study import results_object
from tune_jobs import find


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (
            ["tunepipe", "run", "job.py", "--set", "space.lr=0.1"],
            ["tunepipe", "run", "job.py", "--set", "space.lr=0.1"],
        ),
        (["--storage", "s3://me:pw@host/b?region=x"], ["--storage", "s3://***@host/b?region=x"]),
        (["--storage=s3://me:pw@host/b"], ["--storage=s3://***@host/b"]),
        (["s3://b/x?access_key=A&region=x&secret_key=B"], ["s3://b/x?access_key=***&region=x&secret_key=***"]),
        (["--mlflow", "https://host/?token=abc"], ["--mlflow", "https://host/?token=***"]),
        (["--token", "abc", "--x"], ["--token", "***", "--x"]),
        (["--api-key=abc"], ["--api-key=***"]),
        (["--hf_token", "abc", "--aws-secret-access-key=x"], ["--hf_token", "***", "--aws-secret-access-key=***"]),
        (["--token-dim", "6400", "--pad-token", "0"], ["--token-dim", "6400", "--pad-token", "0"]),
        (
            ["--set", "space.max_tokens=5", "--set", "space.sigma=1"],
            ["--set", "space.max_tokens=5", "--set", "space.sigma=1"],
        ),
        (["DB_PASSWORD=abc"], ["DB_PASSWORD=***"]),
        (["abfs://c@account/b?sas=s%20v"], ["abfs://***@account/b?sas=***"]),
        ([], []),
    ],
)
def test_secrets_are_no_part_of_a_command_line(words, reported):
    """Secrets in a command line are not recorded, and the rest is recorded as it was typed."""
    assert command_line(words) == reported


@pytest.mark.parametrize(
    ("words", "whole", "reported"),
    [
        (["/x/bin/tunepipe", "run", "a"], ["/x/bin/python", "/x/bin/tunepipe", "run", "a"], ["tunepipe", "run", "a"]),
        (["script.py", "--x"], ["python", "-u", "script.py", "--x"], ["python", "-u", "script.py", "--x"]),
        (["/x/m.py", "1"], ["python", "-m", "m", "1"], ["python", "-m", "m", "1"]),
        ([""], ["python"], ["python"]),
    ],
)
def test_a_recorded_command_starts_the_same_again(words, whole, reported):
    """A recorded command has the interpreter for a script, and the program's name for tunepipe itself."""
    assert started_as(words, whole) == reported


def test_a_command_of_tunepipe_works_without_its_environment(monkeypatch, tmp_path):
    """A printed command names the interpreter if tunepipe is not on the path, and quotes a path with a space."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tunepipe_command("resume", "/a b/x") == f"{sys.executable} -m pipeline resume '/a b/x'"
    (tmp_path / "tunepipe").touch(mode=0o755)
    assert tunepipe_command("resume", "x") == "tunepipe resume x"


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
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    git("add", ".")
    git("commit", "-m", "Begin")
    return tmp_path


def test_a_job_s_commit_is_reported(repository):
    """The provenance names the commit of a clean tree, and untracked files do not make the tree dirty."""
    (repository / "studies.txt").write_text("untracked")
    found = commit_of(repository / "job.py")
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
    assert found == {"commit": head, "dirty": False}


@pytest.mark.parametrize("name", ["job.py", "new.py"])
def test_files_that_differ_from_the_commit_are_dirty(repository, name):
    """A file that has changed since the commit, or was never committed, is dirty."""
    (repository / name).write_text("JOB = 2\n")
    assert commit_of(repository / name)["dirty"]


def test_code_that_the_commit_lacks_is_dirty(repository):
    """A module that the job imports and the commit lacks makes the tree dirty, although the job's file is committed."""
    (repository / "beside.py").write_text("FACTOR = 2\n")
    (repository / "ignored.py").write_text("FACTOR = 2\n")
    assert not commit_of(repository / "job.py", [repository / "job.py"])["dirty"]
    for name in ("beside.py", "ignored.py"):
        assert commit_of(repository / "job.py", [repository / "job.py", repository / name])["dirty"], name


def test_the_commit_is_that_of_the_job_within_a_hook(repository, tmp_path_factory, monkeypatch):
    """In a hook of another repository, which sets GIT_DIR, the commit is still that of the job's repository."""
    found = commit_of(repository / "job.py")
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other") / ".git"))
    assert commit_of(repository / "job.py") == found is not None


def test_a_file_of_no_commit_has_none(repository, tmp_path_factory, monkeypatch):
    """An ignored file, a file outside of any repository and any file without git have no commit."""
    (repository / "ignored.py").write_text("JOB = 2\n")
    assert commit_of(repository / "ignored.py") is None
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(outside.parent))
    assert commit_of(outside / "job.py") is None
    monkeypatch.setenv("PATH", str(outside))
    assert commit_of(repository / "job.py") is None


def flat(config):
    """The same value each time."""
    yield {"score": 1.0}


JOB = TuneJob(
    name="s",
    function=flat,
    space={"x": 1.0},
    objectives=[Objective("score", "max")],
    budget=Budget(trials=1, epochs=1),
    resources={"workers": 0},
    seed=11,
)


def test_a_session_tells_where_its_numbers_come_from(tmp_path, monkeypatch):
    """A session's provenance in its file and in JSON results has versions, command, machine, seed and nodes."""
    monkeypatch.setattr(sys, "argv", ["tunepipe", "run", "job.py", "--storage", "s3://me:pw@host/b"])
    run(JOB, storage=tmp_path)
    assert "me:pw" not in (tmp_path / "s/sessions/0001.json").read_text()
    (session,) = json.loads(json.dumps(results_object(load_results(tmp_path / "s"))))["sessions"]
    provenance = session["provenance"]
    assert provenance["seed"] == 11
    assert provenance["command"][-1] == "s3://***@host/b"
    assert {"python", "numpy", "keras", "tensorflow", "ray"} <= set(provenance["versions"])
    assert provenance["machine"]["cores"] >= 1
    assert [node["host"] for node in session["nodes"]] == [provenance["machine"]["host"]]
    assert "resume" not in session


def test_a_session_s_commit_is_that_of_all_its_code(repository, monkeypatch):
    """A session is dirty if a module next to its job's file, which it copies, is in no commit."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (repository / "job_in_git.py").write_text(
        "from pipeline import Budget, Objective, TuneJob\n"
        "def flat(config):\n"
        "    import beside_git\n"
        "    yield {'score': beside_git.SCORE}\n"
        "JOB = TuneJob(name='s', function=flat, space={'x': 1.0}, objectives=[Objective('score', 'max')],\n"
        "              budget=Budget(trials=1, epochs=1), resources={'workers': 0})\n"
    )
    (repository / "beside_git.py").write_text("SCORE = 1.0\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for words in (["add", "job_in_git.py"], ["commit", "-m", "Add the job"]):
        subprocess.run([*git, *words], cwd=repository, check=True, capture_output=True)
    run(find(str(repository / "job_in_git.py")), storage=repository / "studies")
    (session,) = results_object(load_results(repository / "studies/s"))["sessions"]
    assert session["provenance"]["git"]["dirty"]
    forget_copies()


def test_a_failing_git_does_not_stop_a_study(monkeypatch):
    """If git fails, the provenance has no commit and raises no error."""

    def broken(file, files):
        raise RuntimeError("broken")

    monkeypatch.setattr("pipeline.execution.driver.provenance.commit_of", broken)
    assert Provenance(JOB).content(wait=True)["git"] is None


def test_it_loads_nothing_heavy():
    """The provenance and the facts of a node are available without importing Ray, TensorFlow, Keras or pandas."""
    code = (
        "import sys; from pipeline.execution.driver.provenance import Provenance; "
        "from pipeline.execution.node_facts import node_facts; node_facts(); "
        "print({'ray', 'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
