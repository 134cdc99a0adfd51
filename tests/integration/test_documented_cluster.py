"""The commands that README and docs show for clusters and object stores, run on local substitutes.

The cluster is a head and a worker of `ray start` on this machine, and the object store is moto's S3 server. Instead of
Kubernetes there are Helm and a dry run.
"""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from scripts.documentation import ROOT, Command, Folder, Place, SourceFile, place_of, steps
from tests.integration.nodes import nodes
from tests.manifests import helm

pytestmark = pytest.mark.long


_PAGES = ["README.md", "docs/cluster.md", "docs/commands.md"]
_SMALL = "--trials 2 --epochs 1"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Iterator[Callable[[str, str], str]]:
    """Rewrites a command of a page for the local cluster and bucket."""
    with pytest.MonkeyPatch.context() as environment, nodes(tmp_path_factory.mktemp("nodes")) as cluster:
        for name, value in _CREDENTIALS.items():
            environment.setenv(name, value)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        urlopen(Request(f"http://{host}:{port}/bucket", method="PUT")).close()
        environment.setenv("RAY_AUTH_TOKEN", cluster.token)
        cluster.start("worker")
        query = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"

        def written(text: str, page: str) -> str:
            text = text.replace("http://HOST:8265", cluster.address).replace("=…", f"={cluster.token}")
            prefix = f"s3://bucket/{Path(page).stem.lower()}"
            text = re.sub(r"'?s3://bucket/([\w/]+)(\?[^'\s]*)?'?", rf"'{prefix}/\1?{query}'", text)
            small = f" {_SMALL}" if re.match("tunepipe (run|submit) ", text) else ""
            return f"{text}{small}"

        yield written
        server.stop()


@pytest.mark.parametrize("page", _PAGES)
def test_the_commands_of_a_page_work_on_a_cluster(page, here, tmp_path):
    folder = Folder(tmp_path)
    taken = 0
    for step in steps((ROOT / page).read_text(encoding="utf-8")):
        if isinstance(step, SourceFile):
            folder.take(step)
        elif isinstance(step, Command) and place_of(step) is Place.CLUSTER:
            done = folder.take(replace(step, text=here(step.text, page)))
            assert done.code == 0, f"{step.text}\n{done.output}\n{done.errors}"
            taken += 1
    assert taken


def test_the_manifests_of_the_documentation_can_be_made(tmp_path):
    tag = {"KUBECONFIG": str(tmp_path / "none"), "TAG": "0.1.0-1a2b3c4d"}
    folder = Folder(tmp_path, tag, path=str(Path(helm()).parent))
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    made = []
    for step in steps((ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")):
        if not isinstance(step, Command) or place_of(step) is not Place.KUBERNETES:
            continue
        text = _without_a_server(step.text)
        if text is not None:
            done = folder.take(Command(text))
            assert done.code == 0, f"{text}\n{done.errors}"
            made += re.findall(r"^kind: (\w+)$", done.output, re.MULTILINE)
    assert {"Namespace", "RayCluster", "RayJob"} <= set(made)


def _without_a_server(text: str) -> str | None:
    """The part of the command that runs without Kubernetes; None if there is no such part."""
    if text.startswith("cat > lab"):
        return text
    if found := re.match("helm (upgrade --install|install|template) tunepipe ", text):
        # A Helm built from its module does not know which Kubernetes it was made for.
        return text.replace(found[0], "helm template --kube-version 1.34.0 tunepipe ")
    if text.startswith("tunepipe submit ") and "--kubernetes" in text:
        return f"{text.partition(' | ')[0].removesuffix(' --dry-run')} --dry-run"
    return None
