"""The test bed for all tests here, and the table at their end."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.kubernetes.testbed.__main__ import up
from tests.kubernetes.testbed.build import missing
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import KUBECONFIG, SHARE
from tests.kubernetes.testbed.room import is_up, leave
from tests.kubernetes.user import NAMESPACE, OVERLAY, objects, until

_TRIED: list[tuple[str, float, str]] = []


@pytest.fixture(scope="session")
def bed() -> Iterator[None]:
    """A test bed: the one that is up, or one for the session; elsewhere it is said what is missing."""
    if (why := missing()) is not None:
        pytest.skip(why)
    begun = not is_up()
    if begun:
        up()
    os.environ["KUBECONFIG"] = str(KUBECONFIG)
    yield
    if begun:
        leave()


@pytest.fixture(scope="session")
def foundation(bed) -> None:
    """The overlay's namespace, with all that its foundation makes."""
    kubectl("apply", "--server-side", "-k", str(OVERLAY / "foundation"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep what was tried, in the words of the test's own sentence."""
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed":
        sentence = (item.function.__doc__ or item.name).strip().splitlines()[0]
        case = item.name.partition("[")[2].rstrip("]")
        _TRIED.append((f"{sentence} {f'({case})' if case else ''}", call.duration, report.outcome))


def pytest_terminal_summary(terminalreporter):
    """What was tried, seconds, outcome."""
    for sentence, seconds, outcome in _TRIED:
        terminalreporter.write_line(f"{seconds:6.0f} s  {outcome:8}  {sentence}")


@pytest.fixture
def gone(foundation) -> Iterator[None]:
    """What a test has left is deleted after it: its RayJobs, their pods, and what they have written."""
    yield
    kubectl("delete", "rayjob", "--all", "-n", NAMESPACE)
    until(lambda: not objects("pods"))
    for study in SHARE.iterdir():
        shutil.rmtree(study)
