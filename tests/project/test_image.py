"""The Dockerfile: linted, unprivileged, and with equal versions in both kinds of image."""

import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_linter_has_nothing_to_say():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_both_kinds_end_as_the_user_whom_the_manifests_name():
    text = (ROOT / "Dockerfile").read_text()
    stages = {part.split("\n")[0].rpartition(" AS ")[2]: part for part in re.split(r"^FROM ", text, flags=re.M)[1:]}
    for kind in ("cpu", "gpu"):
        assert stages[kind].rstrip().endswith("USER 1000:1000")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, flags=re.M))


def test_images_have_the_versions_of_an_installation():
    run, cpu, gpu, tools = pins("run"), pins("cpu"), pins("gpu"), pins("image")
    assert cpu.pop("tensorflow-cpu") == run["tensorflow"]
    # What builds the wheel is in no image.
    building = {name for name in run if name in tools and name not in gpu}
    assert "hatchling" in building
    assert cpu == {name: version for name, version in run.items() if name not in {*building, "tensorflow"}}
    assert {name: version for name, version in gpu.items() if name in run} == {
        name: version for name, version in run.items() if name not in building
    }
    assert any(name.startswith("nvidia-") for name in gpu)


def test_a_record_names_the_files_that_are_there_as_they_are(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (record := tmp_path / "a.dist-info").mkdir()
    (record / "RECORD").write_text('a.py,sha256=0,9\n"b, c.h",sha256=0,9\na.dist-info/RECORD,,\n')
    runpy.run_path(str(ROOT / "requirements/records.py"))["write_record"](tmp_path, record / "RECORD")
    digest = "sha256=a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s"
    assert (record / "RECORD").read_text() == f"a.py,{digest},1\na.dist-info/RECORD,,\n"


def test_images_say_their_version_and_revision():
    words = ["make", "--dry-run", "image", "CONTAINERS=podman", "COMMIT=1a2b3c4d"]
    made = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    labels = dict(re.findall(r'--label org\.opencontainers\.image\.(\w+)="([^"]+)"', made))
    assert labels.items() >= {"version": metadata.version("tunepipe"), "revision": "1a2b3c4d"}.items()


def test_packages_that_images_leave_out_are_not_imported():
    removed = re.findall(r"^rm -r (.+)$", (ROOT / "requirements/slim.sh").read_text(), flags=re.M)
    packages = {path.replace("/", ".") for line in removed for path in line.split()} | {"pyarrow.flight"}
    assert {"ray.rllib", "kubernetes.aio"} <= packages
    importing = re.compile(rf"\b(import|from) ({'|'.join(map(re.escape, sorted(packages)))})\b")
    sources = [path for folder in ("pipeline", "tune_jobs") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in sources if importing.search(path.read_text("utf-8"))] == []


def test_images_keep_the_interfaces_of_kubernetes_that_the_product_calls():
    kept = set(re.findall(r"! -name (\w+_api)\.py", (ROOT / "requirements/slim.sh").read_text()))
    sources = [path.read_text("utf-8") for path in (ROOT / "pipeline/cluster").rglob("*.py")]
    called = sorted({name for source in sources for name in re.findall(r"\b[A-Z]\w+Api\b", source)})
    code = (
        "import sys; from kubernetes import client, config, stream, utils;"
        "[getattr(client, name) for name in sys.argv[1:] if name in client.__all__];"
        "print(*(name.rpartition('.')[2] for name in sys.modules if name.startswith('kubernetes.client.api.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code, *called], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) == kept
