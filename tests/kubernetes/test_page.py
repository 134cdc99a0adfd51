"""The live page in Kubernetes: the component `page` with the studies' volume."""

from pathlib import Path

import pytest
import requests

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.user import NAMESPACE, forwarded, objects
from tests.unit.results.studies import asha_study

pytestmark = pytest.mark.usefixtures("gone")

PAGE = str(Path(__file__).with_name("page"))
TOKEN = "a token of sixteen characters"


def test_the_page_shows_the_studies_of_the_volume():
    """Through a forwarded port, the component's pod shows the studies of the volume to requests with the token."""
    asha_study(SHARE)
    secret = ("secret", "tunepipe-page", "-n", NAMESPACE)
    kubectl("create", secret[0], "generic", *secret[1:], f"--from-literal=token={TOKEN}")
    try:
        kubectl("apply", "--server-side", "-k", PAGE)
        kubectl("rollout", "status", "deployment/page", "-n", NAMESPACE, "--timeout=180s")
        with forwarded("deployment/page", 8484) as address:
            assert requests.get(address, timeout=60).status_code == 401
            headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
            for path, shown in (
                ("", "0.9666"),
                ("studies/mnist-asha", "val_accuracy"),
                ("static/page.js", "data-part"),
            ):
                answer = requests.get(f"{address}/{path}", headers=headers, timeout=60)
                assert answer.status_code == 200, answer.text
                assert shown in answer.text
        (pod,) = objects("pods", "app.kubernetes.io/name=tunepipe-page")
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    finally:
        kubectl("delete", "--ignore-not-found", "-k", PAGE)
        kubectl("delete", *secret)
