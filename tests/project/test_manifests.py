"""The plain manifests in k8s/rendered: made of the chart, safe, within their quota, and ending as they should."""

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version

import psutil
import pytest

from pipeline.cluster.driver_end import IN_RAYJOB
from pipeline.cluster.stop_drivers import stop_drivers
from pipeline.cluster.submissions import DRIVER_ENVIRONMENT
from pipeline.study.files import STORAGE_WAIT_VARIABLE
from tests.manifests import (
    HOME,
    NAMES,
    PLATFORM,
    RAY,
    as_pod,
    check_schema,
    current,
    driver_environment,
    plain,
    pods,
    study,
)

both = pytest.mark.parametrize("name", NAMES)


@both
@pytest.mark.parametrize("kind", ["", "-study"])
def test_what_is_rendered_is_what_the_chart_makes(name, kind):
    """UPDATE_GOLDENS=1 writes it again for review."""
    file = HOME / f"rendered/{name}{kind}.yaml"
    made = current(name, study=bool(kind))
    if os.environ.get("UPDATE_GOLDENS"):
        file.write_text(made)
    assert made == file.read_text()


@both
def test_kinds_of_kubernetes_itself_fit_their_schemas(name):
    for (kind, _), each in plain(name).items():
        if kind not in RAY:
            check_schema(each)
        for spec in pods(each):
            check_schema(as_pod(spec))
        assert {"app.kubernetes.io/name": "tunepipe", "app.kubernetes.io/part-of": "tunepipe"}.items() <= each[
            "metadata"
        ]["labels"].items()


@both
def test_a_study_continues_itself_and_ends(name):
    spec = study(plain(name))
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["backoffLimit"] > 0
    assert "--resume" in spec["entrypoint"]
    assert spec["activeDeadlineSeconds"] == 14 * 24 * 3600
    assert spec["ttlSecondsAfterFinished"] == 0
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}


@both
def test_a_head_ends_its_drivers_before_ray(name):
    template = study(plain(name))["rayClusterSpec"]["headGroupSpec"]["template"]
    command = template["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
    before, _, after = command.partition("; ")
    assert before.startswith("python -m pipeline.cluster.stop_drivers ")
    assert after.startswith("ray stop ")
    assert int(before.split()[-1]) < template["spec"]["terminationGracePeriodSeconds"]
    # Else neither Ray's shell nor its autoscaler would end on a signal.
    assert template["spec"]["shareProcessNamespace"] is True
    assert template["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


@both
def test_a_driver_without_submit_is_stopped_and_reports_its_end(name, tmp_path):
    """A RayJob that is applied directly has the variables of one that `submit` creates."""
    variables = driver_environment(plain(name))
    dashboard = {IN_RAYJOB: "http://127.0.0.1:8265"}
    assert variables == DRIVER_ENVIRONMENT | dashboard | {STORAGE_WAIT_VARIABLE: "1"}
    program = tmp_path / "tunepipe"
    program.write_text(f"#!{sys.executable}\nimport time\nprint(flush=True)\ntime.sleep(60)\n")
    program.chmod(0o755)
    command = ["/bin/sh", "-c", f"exec {study(plain(name))['entrypoint']}"]
    with psutil.Popen(command, env={"PATH": str(tmp_path)}, stdout=subprocess.PIPE) as driver:
        driver.stdout.readline()
        stop_drivers([driver], 20)
    assert driver.returncode == -signal.SIGTERM


@both
def test_every_pod_is_allowed_in_a_restricted_namespace_and_changes_nothing_but_its_volumes(name):
    spec = study(plain(name))
    specs = list(pods(spec))
    assert len(specs) >= 3
    for each in specs:
        context = each["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(each)
        assert not [volume for volume in each["volumes"] if "hostPath" in volume]
        assert PLATFORM.items() <= each["nodeSelector"].items()
    containers = [container for each in specs for container in each["containers"]]
    for container in [*containers, spec["rayClusterSpec"]["autoscalerOptions"]]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
        assert re.fullmatch(rf"tunepipe-[cg]pu:{version('tunepipe')}", container["image"])


@both
def test_only_the_autoscaler_has_a_token_of_the_kubernetes_api(name):
    """Its volumes and its user are not those of users' code."""
    spec = study(plain(name))
    for found in pods(spec):
        assert found["automountServiceAccountToken"] is False
        assert not {mount["name"] for each in found["containers"] for mount in each["volumeMounts"]} & _tokens(found)
    head = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    autoscaler = spec["rayClusterSpec"]["autoscalerOptions"]
    mounted = {mount["name"]: mount["mountPath"] for mount in autoscaler["volumeMounts"]}
    (token,) = _tokens(head)
    assert mounted[token] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert not {mount["name"] for mount in head["containers"][0]["volumeMounts"]} & set(mounted)
    # Else the files of the autoscaler could be read below /proc.
    assert autoscaler["securityContext"]["runAsUser"] not in {0, head["securityContext"]["runAsUser"]}
    accounts = [each for (kind, _), each in plain(name).items() if kind == "ServiceAccount"]
    assert {each["automountServiceAccountToken"] for each in accounts} == {False}


def _tokens(spec):
    return {
        volume["name"]
        for volume in spec["volumes"]
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", ()))
    }
