"""A driver as a RayJob starts it: on a real Ray cluster with a token, with the commands of KubeRay's submitter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pipeline.cluster.driver_end import IN_RAYJOB
from pipeline.cluster.rayjobs import driver_output, exit_code_of
from tests.integration.nodes import nodes
from tests.kubernetes_server import rayjob
from tests.manifests import driver_environment, plain

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_a_mistake_has_a_state_that_no_success_has(tmp_path):
    """A command that ends with a mistake is stopped by Ray, prints its message once, and has its own exit code."""
    with nodes(tmp_path) as cluster:
        cluster.start()
        environment = {**cluster.environment, "RAY_AUTH_MODE": "token"}
        ray = str(Path(sys.executable).with_name("ray"))

        def job(command: str, *words: str) -> str:
            words = (ray, "job", command, "--address", cluster.address, *words)
            done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, timeout=240)
            # Else KubeRay would count the submission as failed, and try again.
            assert done.returncode == 0, done.stderr
            return done.stdout

        variables = {**driver_environment(plain("local-cpu")), IN_RAYJOB: cluster.address, "PYTHONPATH": str(ROOT)}
        runtime = json.dumps({"env_vars": variables})
        entrypoint = ("python", "-m", "pipeline.cli.app", "run", "no-such-job")
        job("submit", "--submission-id", "s-1-x", "--no-wait", "--runtime-env-json", runtime, "--", *entrypoint)
        log = job("logs", "--follow", "s-1-x")
        headers = {"Authorization": f"Bearer {cluster.token}"}
        reported = requests.get(f"{cluster.address}/api/jobs/s-1-x", headers=headers, timeout=60).json()
    assert reported["status"] == "STOPPED"
    assert exit_code_of(rayjob("Complete", jobStatus=reported["status"]), log) == 2
    shown = driver_output(log)
    assert shown.count("There is no job 'no-such-job'") == 1
    assert "exit code" not in shown
    assert "was stopped" not in shown
