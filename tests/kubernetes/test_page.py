"""The live page in Kubernetes: the chart's `page` with the studies' volume."""

import pytest
import requests
import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.user import NAMESPACE, applied, forwarded, objects
from tests.manifests import charted
from tests.recorded_studies import asha_study

pytestmark = pytest.mark.usefixtures("gone")

TOKEN = "a token of sixteen characters"


def test_the_page_shows_the_studies_of_the_volume_to_requests_with_the_token():
    asha_study(SHARE)
    page = yaml.safe_load(yaml.safe_dump(charted()["Deployment", "page"]))
    # The test bed's nodes have two cores.
    (container,) = page["spec"]["template"]["spec"]["containers"]
    container["resources"]["requests"]["memory"] = container["resources"]["limits"]["memory"] = "1Gi"
    container["resources"]["limits"]["cpu"] = "1"
    secret = ("secret", "tunepipe-page", "-n", NAMESPACE)
    kubectl("create", secret[0], "generic", *secret[1:], f"--from-literal=token={TOKEN}")
    try:
        with applied(page):
            kubectl("rollout", "status", "deployment/page", "-n", NAMESPACE, "--timeout=180s")
            with forwarded("deployment/page", 8484) as address:
                assert requests.get(address, timeout=60).status_code == 401
                headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
                for path, shown in (
                    ("", "0.9666"), ("studies/mnist-asha", "val_accuracy"), ("static/page.js", "data-part")
                ):  # fmt: skip
                    answer = requests.get(f"{address}/{path}", headers=headers, timeout=60)
                    assert answer.status_code == 200, answer.text
                    assert shown in answer.text
            (pod,) = objects("pods", "app.kubernetes.io/name=tunepipe-page")
            assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    finally:
        kubectl("delete", *secret)
