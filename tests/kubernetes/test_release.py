"""The chart as a release: installed by Helm, used by a study, upgraded, uninstalled; and an image that is built on."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.images import IMAGE, access
from tests.kubernetes.testbed.place import BED, BIN, KUBECONFIG, Addresses
from tests.kubernetes.testbed.room import call
from tests.kubernetes.testbed.volume import volume
from tests.kubernetes.user import Following, become, submit, tunepipe, until
from tests.manifests import HOME

pytestmark = pytest.mark.usefixtures("foundation")

CHART = str(HOME / "chart")
SUBMITTER = "tunepipe-submitter"
ANY_NAMESPACE_HAS = {"configmap/kube-root-ca.crt", "serviceaccount/default"}

Helm = Callable[..., str]


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Runs a command of Helm; returns its output once it has succeeded."""
    program = BIN / "helm"

    def run(*words: str, kubeconfig: Path = KUBECONFIG) -> str:
        return call(str(program), *words, environment={"KUBECONFIG": str(kubeconfig)})

    return run


def contents(namespace: str) -> set[str]:
    """All objects of a namespace, except events, in the form KIND/NAME."""
    kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if not kind.startswith(("events", "pods.metrics"))]
    names = kubectl("get", ",".join(kinds), "-n", namespace, "-o", "name", "--ignore-not-found").split()
    return set(names)


@contextmanager
def disk(name: str) -> Iterator[None]:
    """A volume of its own storage class, for one claim."""
    kubectl("apply", "-f", "-", said=json.dumps(volume(name, BED / name)))
    try:
        yield
    finally:
        kubectl("delete", "pv", name, "--wait=false")
        shutil.rmtree(BED / name)


def test_a_release_from_its_installation_to_its_end(helm, tmp_path):
    """A release runs a study as its own submitter, is upgraded by one value, and leaves only the studies' claim."""
    place = "by-helm"
    values = (
        "groups[0].gpu=l4",
        f"namespace.name={place}",
        "priorityClasses.create=false",
        f"storage.className={place}",
        # The test bed's own server of names is no pod.
        f"dns.servers[0]={Addresses.BRIDGE}/32",
    )
    submitter = tmp_path / "submitter.kubeconfig"
    with disk(place):
        try:
            said = helm("install", "tunepipe", CHART, *(word for value in values for word in ("--set", value)))
            # What the notes say to do.
            (command,) = re.findall(r"^  helm (get values .+) > values\.yaml$", said, re.MULTILINE)
            (written := tmp_path / "values.yaml").write_text(helm(*command.split()))
            words = ("--kubernetes", "--values", str(written), "--storage", "/studies", "--dry-run")
            assert f"namespace: {place}" in tunepipe("submit", "mnist-asha", *words)
            become(SUBMITTER, place, submitter)
            study = ("beale", "--trials", "2", "--workers", "1", "--namespace", place)
            code, reported = submit(tmp_path, *study, kubeconfig=submitter)
            assert code == 0, reported
            assert len(load_results(tmp_path / "studies/beale").trials) == 2
            here = ("--kubernetes", "--namespace", place)
            assert "beale-1" in tunepipe("status", *here, kubeconfig=submitter)
            tunepipe("stop", "beale", *here, kubeconfig=submitter)
            helm("upgrade", "tunepipe", CHART, "--reuse-values", "--set", "objectStore.port=9000")
            (policy,) = json.loads(kubectl("get", "networkpolicy", "s3", "-n", place, "-o", "json"))["spec"]["egress"]
            assert [each["port"] for each in policy["ports"]] == [9000]
            assert [each["revision"] for each in json.loads(helm("history", "tunepipe", "-o", "json"))] == [1, 2]
            claim = kubectl("get", "persistentvolumeclaim", "studies", "-n", place, "-o", "jsonpath={.metadata.uid}")
            said = helm("uninstall", "tunepipe", "--wait")
            assert "[PersistentVolumeClaim] studies" in said
            until("the end of all pods", lambda: not [each for each in contents(place) if each.startswith("pod/")])
            assert contents(place) - ANY_NAMESPACE_HAS == {"persistentvolumeclaim/studies"}
            kept = kubectl("get", "persistentvolumeclaim", "studies", "-n", place, "-o", "jsonpath={.metadata.uid}")
            assert kept == claim
            assert json.loads(helm("list", "--all-namespaces", "-o", "json")) == []
        finally:
            Following.end_all()
            if "tunepipe" in helm("list", "--all", "--short"):
                helm("uninstall", "tunepipe")
            kubectl("delete", "namespace", place, "--ignore-not-found")


def test_an_image_with_another_library_is_built_as_documented(tmp_path):
    """All libraries can be imported there, and each has the files that its RECORD names."""
    page = (HOME.parent / "docs/kubernetes-reference.md").read_text()
    (text,) = re.findall(r"^```text\n(FROM .+?)^```", page, re.DOTALL | re.MULTILINE)
    lost = "[each for library in distributions() for each in library.files or () if not each.locate().exists()]"
    code = f"import einops, keras; from importlib.metadata import distributions; assert {lost} == []"
    (tmp_path / "Dockerfile").write_text(
        f"{re.sub('FROM .+', f'FROM {IMAGE}', text)}RUN {json.dumps(['python', '-c', code])}\n"
    )
    call("podman", "rmi", call("podman", "build", "--quiet", *access().split(), str(tmp_path)).strip())
