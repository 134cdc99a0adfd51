"""A study as a RayJob: its name, command and size, up to 200 nodes."""

import base64
import re
import shlex
from copy import deepcopy

import pytest
import yaml

import tune_jobs
from pipeline.cluster import chart
from pipeline.cluster.rayjob import study_label, study_manifests
from pipeline.errors import ClusterError, ResourcesUnmet


def job(**changes):
    """The job beale, changed."""
    return tune_jobs.find("beale").replaced({name.replace("__", "."): value for name, value in changes.items()})


def groups(manifests) -> dict[str, int]:
    specs = manifests.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    return {each["groupName"]: each["maxReplicas"] for each in specs}


def test_gpus_are_asked_for_as_trials_need_them():
    halves = study_manifests(
        job(resources__gpus=0.5, resources__cpus=2, budget__trials=16), "beale", "prod-gpu", "/studies", []
    )
    assert groups(halves) == {"cpu": 4, "gpu-l4": 8, "gpu-l4-spot": 0, "gpu-a100": 0}
    assert halves.plan.workers == 16
    assert "autoscaling up to 8 GPUs" in str(halves.plan)
    assert set(groups(study_manifests(job(), "beale", "prod-gpu", "/studies", [])).values()) == {4, 0}


def test_the_driver_gets_the_maximum_number_of_workers():
    made = study_manifests(job(), "beale", "local-cpu", "s3://bucket/a b", ["--trials", "9"])
    assert shlex.split(made.job["spec"]["entrypoint"]) == [
        "python", "-m", "pipeline.cli.app", "run", "beale", "--resume", "--storage", "s3://bucket/a b",
        "--trials", "9", "--workers", "2",
    ]  # fmt: skip
    given = study_manifests(job(), "beale", "local-cpu", "/studies", ["--workers", "1"])
    assert given.job["spec"]["entrypoint"].count("--workers") == 1


def test_a_trial_that_fits_no_pod_is_refused():
    with pytest.raises(
        ResourcesUnmet, match=r"requests 1 CPU, 1 GPU and 750 MB.*cpu \(1 CPU, 0 GPUs, 3.22 GB per pod\).*--values"
    ):
        study_manifests(job(resources__gpus=1), "beale", "local-cpu", "/studies", [])


def test_an_image_and_a_namespace_take_the_place_of_the_templates():
    made = study_manifests(job(), "beale", "prod-gpu", "/studies", [], namespace="lab", image="registry/x:7")
    text = str(made)
    assert made.job["metadata"]["namespace"] == "lab"
    assert "image: tunepipe" not in text
    assert text.count("image: registry/x:7") == 7


def test_a_storage_that_is_lost_with_the_pods_is_refused(monkeypatch):
    (template,) = chart.rendered("prod-gpu")
    cpu, *gpus = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    monkeypatch.setattr("pipeline.cluster.chart.rendered", lambda _: [deepcopy(template)])
    for group in gpus:
        group["template"]["spec"]["volumes"][-1] = {"name": "studies", "emptyDir": {}}
    study_manifests(job(), "beale", "prod-gpu", "/studies", [])
    cpu["template"]["spec"]["volumes"][-1] = {"name": "studies", "emptyDir": {}}
    with pytest.raises(ClusterError, match="no volume at --storage /studies in the group 'cpu'"):
        study_manifests(job(), "beale", "prod-gpu", "/studies", [])
    study_manifests(job(), "beale", "prod-gpu", "gs://bucket/studies", [])


def test_a_job_of_several_files_is_mounted_as_it_is_imported(tmp_path):
    texts = {"job.py": "from parts.curve import f", "parts/curve.py": "", "parts/__init__.py": "", "parts/é.txt": "one"}
    (tmp_path / "parts").mkdir()
    for name, text in {**texts, ".gitignore": "*.log", "a.log": ""}.items():
        (tmp_path / name).write_text(text)
    made, again = (study_manifests(job(), f"{tmp_path}/job.py", "local-cpu", "/studies", []) for _ in range(2))
    assert made.file is not None
    volumes = made.job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["volumes"]
    (items,) = (each["configMap"]["items"] for each in volumes if "configMap" in each)
    mounted = {each["path"]: base64.b64decode(made.file["binaryData"][each["key"]]).decode() for each in items}
    assert mounted == texts
    assert " run /job/job.py " in made.job["spec"]["entrypoint"]
    assert str(made).count("mountPath: /job") == 2
    assert str(made).count(f"name: {made.file['metadata']['name']}\n") == 3
    assert made.file["metadata"]["name"] != again.file["metadata"]["name"]
    assert "&id" not in str(made)


def test_files_that_exceed_a_config_map_are_refused_or_left_out(tmp_path):
    (tmp_path / "mine.py").write_text("import big")
    (tmp_path / "big.py").write_text("#" * 2**20)
    made = study_manifests(job(), f"{tmp_path}/mine.py", "local-cpu", "/studies", [])
    assert list(made.file["binaryData"]) == ["0-mine.py"]
    (tmp_path / "mine.py").write_text("#" * 2**20 + "#")
    with pytest.raises(ClusterError, match=r"mine\.py \(1,048,577\)"):
        study_manifests(job(), f"{tmp_path}/mine.py", "local-cpu", "/studies", [])


def test_a_rayjob_names_its_study_and_its_storage():
    made = study_manifests(job(name="my.study"), "beale", "local-cpu", "/studies", [])
    assert made.job["metadata"]["annotations"] == {"tunepipe/storage": "/studies", "tunepipe/study-name": "my.study"}
    variables = yaml.safe_load(made.job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert {"PYTHONUNBUFFERED", "TUNEPIPE_IN_RAYJOB", "TUNEPIPE_STORAGE_WAIT"} <= set(variables)


@pytest.mark.parametrize("name", ["a", "1", "3com", "under_score", "dotted.name", "x" * 63, "x-y" * 20])
def test_names_are_what_kubernetes_takes(name):
    made = study_label(name)
    assert len(made) <= 40
    assert re.fullmatch("[a-z][a-z0-9-]*[a-z0-9]|[a-z]", made)
