"""Studies in Kubernetes: from no worker to the results on this machine, with failures in between."""

import json
import shutil
from base64 import b64decode
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from pipeline import load_results
from pipeline.cluster.submissions import this_user
from tests.command import rows_of
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.user import (
    HEAD,
    NAMESPACE,
    SLOW_STUDY,
    VALUES,
    WORKERS,
    Following,
    applied,
    epochs_on_volume,
    forwarded,
    objects,
    readable_tokens,
    running,
    submit,
    tunepipe,
    until,
)
from tests.manifests import charted
from tests.study_comparison import differences

pytestmark = pytest.mark.usefixtures("gone")

COUNTED = str(Path(__file__).with_name("counted.py"))


@pytest.mark.core
def test_a_study_from_zero_gpu_workers(tmp_path):
    """A study starts without a worker, gets one GPU for each trial, and a pod downloads its results."""
    assert objects("pods", WORKERS) == []
    code, reported = submit(tmp_path, COUNTED, "--gpus-per-trial", "1", "--workers", "2")
    assert code == 0, reported
    results = load_results(tmp_path / "studies/counted")
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])
    assert not (tmp_path / "studies/counted/checkpoints").exists()


@pytest.mark.core
def test_a_study_that_loses_a_worker_and_its_head_has_the_tables_of_an_undisturbed_one(tmp_path, undisturbed):
    study = Following(tmp_path, *SLOW_STUDY)
    study.until("two workers to train", lambda: len(epochs_on_volume("slow-study")) == len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, running(WORKERS)[0])
    study.until("two workers again", lambda: len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, "--force", "--grace-period=0", running(HEAD)[0])
    assert study.ended() == 0, study.reported
    found = load_results(tmp_path / "studies/slow-study")
    assert len(found.sessions) == 2
    assert any(found.decisions["kind"] == "retry")
    assert differences(undisturbed, found) == []


def test_a_study_whose_head_is_drained_continues_on_another_cluster(tmp_path, undisturbed):
    study = Following(tmp_path, *SLOW_STUDY)
    study.until("a trial to train", lambda: study.has_trained)
    head = running(HEAD)[0]
    # It returns once the pod is gone; without that it would take the whole grace period, and then some.
    kubectl("delete", "pod", "-n", NAMESPACE, head, "--wait=true", "--timeout=20s")
    assert study.ended() == 0, study.reported
    found = load_results(tmp_path / "studies/slow-study")
    # None was killed: a session that is cut off stays "running".
    assert {each.state for each in found.sessions[:-1]} == {"interrupted"}
    assert found.sessions[-1].state == "ended"
    assert differences(undisturbed, found) == []


MISTAKEN = """
from pathlib import Path

from pipeline import Budget, Objective, TuneJob, Uniform


def only_here(place):
    if place == "PLACE" and Path("/job").is_dir():
        raise ValueError("only here, in a pod")


def flat(config):
    only_here("a trial")
    yield {"score": config["x"]}


only_here("the file")
JOB = TuneJob(name="mistaken", function=flat, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
              budget=Budget(trials=1, epochs=1))
"""


@pytest.mark.parametrize(("place", "expected", "count"), [("the file", 2, 1), ("a trial", 3, 4)])
def test_a_mistake_that_only_the_cluster_finds_is_reported_once(tmp_path, place, expected, count):
    """It ends as `run` ends, on one cluster; the error of a trial is in its log and its traceback, too."""
    (tmp_path / "mistaken.py").write_text(MISTAKEN.replace("PLACE", place))
    code, reported = submit(tmp_path, "mistaken.py", "--workers", "1")
    assert code == expected, reported
    assert reported.count("only here, in a pod") == count, reported
    assert reported.count("tunepipe: ") == 1
    assert "/studies/mistaken" not in reported
    (job,) = objects("rayjobs")
    assert job["status"]["jobDeploymentStatus"] == "Complete"
    assert not job["status"].get("failed")


SEVERAL = {
    "several.py": """
from parts.curve import flat

from pipeline import Budget, Objective, TuneJob, Uniform

JOB = TuneJob(name="several", function=flat, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
              budget=Budget(trials=2, epochs=2))
""",
    "parts/__init__.py": "",
    "parts/curve.py": """
from pathlib import Path


def flat(config):
    for _ in range(2):
        yield {"score": len(Path(__file__).with_name("words.txt").read_text())}
""",
    "parts/words.txt": "one two",
}


def test_a_job_file_comes_with_its_package_and_the_file_that_this_reads(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, text in SEVERAL.items():
        (tmp_path / name).write_text(text)
    code, reported = submit(tmp_path, "several.py", "--workers", "1")
    assert code == 0, reported
    assert set(SEVERAL) <= set(reported.partition("Uploaded with the job: ")[2].partition(".\n")[0].split(", "))
    assert set(load_results(tmp_path / "studies/several").trials["objective"]) == {7.0}


def test_a_running_study_is_read_from_here(tmp_path):
    """Logs and results of a study are read while it runs, and results also after its RayJob was deleted.

    Only the autoscaler's container can read a token of the Kubernetes API.
    """
    study = Following(tmp_path, *SLOW_STUDY)
    study.until("a trial to train", lambda: study.has_trained)
    (head,), worker = running(HEAD), running(WORKERS)[0]
    processes = kubectl("exec", "-n", NAMESPACE, head, "-c", "ray-head", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline")
    assert "kuberay-autoscaler" in processes
    assert readable_tokens(head, "ray-head") == readable_tokens(worker, "ray-worker") == []
    assert "/" in readable_tokens(head, "autoscaler")
    printed = tunepipe("logs", "slow-study", "--kubernetes")
    assert " running" in printed
    assert "sdk.py" not in printed
    here = ("--to", str(tmp_path / "copied"), "--json")
    running_now = json.loads(tunepipe("results", "slow-study", "--kubernetes", *here))
    assert running_now["state"] == "running"
    assert len(load_results(tmp_path / "copied/slow-study").epochs) > 0
    tunepipe("stop", "slow-study", "--kubernetes")
    # The driver has ended when the command returns: its session is complete.
    assert running(HEAD) == []
    assert study.ended() == 2, study.reported
    left = ("--storage", "/studies", "--values", str(VALUES))
    stopped = json.loads(tunepipe("results", "slow-study", "--kubernetes", *left, *here))
    assert stopped["state"] == "interrupted"
    assert len(load_results(tmp_path / "copied/slow-study").epochs) == sum(epochs_on_volume("slow-study").values())


def test_a_second_submission_attaches_to_the_study(tmp_path, undisturbed):
    first = Following(tmp_path, *SLOW_STUDY)
    first.until("a RayJob", lambda: bool(objects("rayjobs")))
    (tmp_path / "other").mkdir()
    refused, said = submit(tmp_path, *SLOW_STUDY, "--set", "seed=7")
    assert (refused, f"slow-study-1, submitted by {this_user()}" in said) == (2, True), said
    code, reported = submit(tmp_path / "other", *SLOW_STUDY)
    assert (code, first.ended()) == (0, 0), reported
    assert "is already running as slow-study-1, submitted by " in reported
    assert len(objects("rayjobs")) == 1
    for where in (tmp_path, tmp_path / "other"):
        found = load_results(where / "studies/slow-study")
        assert differences(undisturbed, found) == []
    on_each = [list(rows.sort_values("time")["trial_id"]) for _, rows in found.epochs.groupby("node")]
    assert len(on_each) == 2
    assert all(len(list(groupby(trials))) == len(set(trials)) for trials in on_each)


def test_a_cluster_for_interactive_use(foundation, tmp_path, monkeypatch):
    """A cluster that kubectl starts is used through a forwarded port with its token, and its idle workers end."""
    made = charted(**yaml.safe_load(VALUES.read_text()))
    shared = [made["RayCluster", "tunepipe"], made["PodDisruptionBudget", "tunepipe-head"]]
    with applied(*shared):
        until("the head", lambda: bool(running(HEAD)))
        kubectl("wait", "--for=condition=Ready", "pod", "-n", NAMESPACE, "-l", HEAD, "--timeout=120s")
        with forwarded("service/tunepipe-head-svc", 8265) as address:
            shutil.copy(COUNTED, tmp_path)
            study = (
                "counted.py", "--address", address, "--name", "interactive", "--workers", "1",
                "--set", "resources.gpus=1", "--trials", "2",
            )  # fmt: skip
            monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
            code, reported = submit(tmp_path, *study)
            assert code == 2, reported
            assert "refuses the token" in " ".join(reported.split())
            secret = kubectl("get", "secret", "tunepipe", "-n", NAMESPACE, "-o", "jsonpath={.data.auth_token}")
            monkeypatch.setenv("RAY_AUTH_TOKEN", b64decode(secret).decode())
            code, reported = submit(tmp_path, *study)
        assert code == 0, reported
        until("the end of idle workers", lambda: not objects("pods", WORKERS))
        asked = ("tunepipe", "results", "interactive", "--storage", "/studies", "--json")
        reported = kubectl("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--", *asked)
        assert len(rows_of(reported, "trials")) == 2
    until("the end of all pods", lambda: not objects("pods"))
