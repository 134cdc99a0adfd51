"""The test bed for all tests of this folder, and its object stores."""

import shutil
from collections.abc import Iterator

import pytest
import yaml

from pipeline import load_results, run
from pipeline.results import Results
from tests.kubernetes.testbed.__main__ import up
from tests.kubernetes.testbed.build import missing
from tests.kubernetes.testbed.certificates import AUTHORITY
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.images import archives
from tests.kubernetes.testbed.nodes import load
from tests.kubernetes.testbed.object_store import KEYS, start_object_store, stop_object_store
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.testbed.room import is_up, leave, remains
from tests.kubernetes.user import NAMESPACE, SLOW_EPOCHS, SUBMITTER, VALUES, Following, applied, become, objects, until
from tests.manifests import FOUNDATION, charted
from tests.slow_study import JOB


@pytest.fixture(scope="session")
def bed() -> Iterator[None]:
    """A test bed: the running one with the current image, or one for the session that is removed completely."""
    if (why := missing()) is not None:
        pytest.exit(why, returncode=2)
    begun = not is_up()
    if begun:
        up()
    else:
        load(archives())
    yield
    if begun:
        leave()
        assert remains() == []


@pytest.fixture(scope="session")
def foundation(bed) -> None:
    """The namespace with the objects of the chart, whose rights a submitter has."""
    made = charted(**yaml.safe_load(VALUES.read_text()), **FOUNDATION)
    kubectl("apply", "--server-side", "-f", "-", said=yaml.safe_dump_all(made.values()))
    become("tunepipe-submitter", NAMESPACE, SUBMITTER)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Results:
    """The results of an undisturbed SLOW_STUDY in this test bed."""
    place = tmp_path_factory.mktemp("undisturbed")
    run(JOB.replaced({"budget.epochs": SLOW_EPOCHS, "resources.gpus": 0, "resources.cpus": 0.25}), storage=str(place))
    return load_results(place / JOB.name)


@pytest.fixture
def gone(foundation) -> Iterator[None]:
    """Deletes after a test what it has left: its commands, RayJobs, and their files; no hook of a pod has failed."""
    yield
    Following.end_all()
    kubectl("delete", "rayjob,raycluster", "--all", "-n", NAMESPACE, "--wait=false")
    # A command that is killed while it copies results of a deleted RayJob leaves its pod, which has no owner.
    kubectl("delete", "pod", "-l", "app.kubernetes.io/name=tunepipe-reader", "-n", NAMESPACE, "--wait=false")
    until("the end of all pods and RayJobs", lambda: not objects("pods") and not objects("rayjobs"))
    assert [each["message"] for each in objects("events") if each["reason"] == "FailedPreStopHook"] == []
    for study in SHARE.iterdir():
        shutil.rmtree(study)


@pytest.fixture
def object_store(foundation, monkeypatch, request) -> Iterator[None]:
    """An S3 server, for which this machine has keys, and for which an account of the cluster gets some.

    Its parameter is its scheme and port; this machine trusts its certificate, which the test bed's authority signs.
    """
    scheme, port = getattr(request, "param", ("http", 443))
    for name, value in {**KEYS, "SSL_CERT_FILE": str(AUTHORITY)}.items():
        monkeypatch.setenv(name, value)
    made = charted(identity={"enabled": True})
    try:
        start_object_store(scheme, port)
        with applied(made["ServiceAccount", "tunepipe-storage"], made["NetworkPolicy", "identity"]):
            yield
    finally:
        stop_object_store()
