"""A study as a RayJob: its template by name, file or Helm, its name, command and storage, and its size in pods."""

import base64
import re
import shlex
from typing import Any

import pytest
import yaml

import tune_jobs
from pipeline.cluster.plan import plan
from pipeline.cluster.rayjob import check_storage_is_kept, rayjob_template, study_label, study_manifests
from pipeline.errors import ClusterError, ResourcesUnmet
from tests.manifests import helm


def job(**changes):
    return tune_jobs.find("beale").replaced({name.replace("__", "."): value for name, value in changes.items()})


def manifests(values="local-cpu", storage="/studies", options=(), name="beale", image=None, **changes):
    return study_manifests(job(**changes), name, values, storage, options, image=image)


def words(made) -> list[str]:
    return shlex.split(made.job["spec"]["entrypoint"])


@pytest.mark.parametrize("name", ["prd", "./prd", "prd.yaml"])
def test_unknown_values_list_those_there_are(name):
    with pytest.raises(ClusterError, match="local-cpu, prod-gpu"):
        rayjob_template(name)


def test_names_and_manifests_need_no_helm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    for name in ("local-cpu", "prod-gpu"):
        assert rayjob_template(name, "lab")["metadata"]["namespace"] == "lab"
    template = rayjob_template("local-cpu")
    (file := tmp_path / "lab.yaml").write_text(yaml.safe_dump_all([template, {"kind": "Namespace"}, {"a": 1}]))
    assert rayjob_template(str(file)) == template
    del template["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resources"]
    for content, message in (
        (yaml.safe_dump(template), "lacks what .*'resources'"),
        (yaml.safe_dump({"kind": "RayJob", "metadata": None}), "lacks what a study needs"),
        ("kind: Namespace", "must have one RayJob; they have 0"),
        ("a: [", "cannot be read as YAML"),
    ):
        file.write_text(content)
        with pytest.raises(ClusterError, match=message):
            rayjob_template(str(file))


def test_values_are_rendered_by_helm(tmp_path, monkeypatch):
    (file := tmp_path / "lab.yaml").write_text("groups: [{gpu: t4, max: 3}]")
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        with pytest.raises(ClusterError, match=r"Helm was not found.*helm template tunepipe .*templates/study\.yaml"):
            rayjob_template(str(file))
    monkeypatch.setenv("PATH", helm().rpartition("/")[0])
    _, group = rayjob_template(str(file))["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (group["groupName"], group["maxReplicas"]) == ("gpu-t4", 3)
    file.write_text("groups: [{gpu: t5}]")
    with pytest.raises(ClusterError, match="There is no group with the GPU t5"):
        rayjob_template(str(file))


CLAIM = {"persistentVolumeClaim": {"claimName": "studies"}}


def group_with(name: str, **volumes) -> dict:
    """A group whose container mounts volumes at folders of their names."""
    pod = {
        "volumes": [{"name": each, **source} for each, source in volumes.items()],
        "containers": [{"volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in volumes]}],
    }
    return {"groupName": name, "template": {"spec": pod}}


@pytest.mark.parametrize("source", [CLAIM, {"nfs": {"server": "a", "path": "/"}}, {"hostPath": {"path": "/a"}}])
@pytest.mark.parametrize("storage", ["/studies", "/studies/lab", "//studies", "/tmp/../studies"])
def test_a_folder_on_a_volume_is_kept(source, storage):
    check_storage_is_kept("lab", group_with("", studies=source), [group_with("cpu", studies=source)], storage)


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"projected": {"sources": []}}, {"ephemeral": {}}])
def test_a_folder_that_ends_with_a_pod_is_refused(source):
    kept, lost = group_with("cpu", studies=CLAIM), group_with("cpu", studies=source)
    for storage in ("/studies", "/studies-2", "/", "/data/../elsewhere"):
        with pytest.raises(ClusterError, match=r"in the head\."):
            check_storage_is_kept("lab", lost, [kept], storage)
    with pytest.raises(ClusterError, match="in the group 'cpu'"):
        check_storage_is_kept("lab", kept, [lost], "/studies")
    check_storage_is_kept("lab", lost, [lost], "s3://bucket/studies")


def test_the_driver_gets_the_maximum_number_of_workers():
    made = manifests(storage="s3://bucket/a b", options=["--trials", "9"], name="beale")
    assert words(made) == [
        "python", "-m", "pipeline.cli.app", "run", "beale", "--resume", "--storage", "s3://bucket/a b",
        "--trials", "9", "--workers", "2",
    ]  # fmt: skip
    assert words(manifests(options=["--workers", "1"])).count("--workers") == 1


def test_an_image_takes_the_place_of_the_templates():
    text = str(manifests("prod-gpu", image="registry/x:7"))
    assert "image: tunepipe" not in text
    assert text.count("image: registry/x:7") == 7


def test_a_job_of_several_files_is_mounted_as_it_is_imported(tmp_path):
    texts = {"job.py": "from parts.curve import f", "parts/curve.py": "", "parts/__init__.py": "", "parts/é.txt": "one"}
    (tmp_path / "parts").mkdir()
    for name, text in {**texts, ".gitignore": "*.log", "a.log": ""}.items():
        (tmp_path / name).write_text(text)
    made, again = (manifests(name=f"{tmp_path}/job.py") for _ in range(2))
    assert made.file is not None
    volumes = made.job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["volumes"]
    (items,) = (each["configMap"]["items"] for each in volumes if "configMap" in each)
    mounted = {each["path"]: base64.b64decode(made.file["binaryData"][each["key"]]).decode() for each in items}
    assert mounted == texts
    assert "/job/job.py" in words(made)
    assert str(made).count("mountPath: /job") == 2
    assert str(made).count(f"name: {made.file['metadata']['name']}\n") == 3
    assert made.file["metadata"]["name"] != again.file["metadata"]["name"]
    assert "&id" not in str(made)


def test_files_that_exceed_a_config_map_are_refused_or_left_out(tmp_path):
    (tmp_path / "mine.py").write_text("import big")
    (tmp_path / "big.py").write_text("#" * 2**20)
    assert len(manifests(name=f"{tmp_path}/mine.py").file["binaryData"]) == 1
    (tmp_path / "mine.py").write_text("#" * 2**20 + "#")
    with pytest.raises(ClusterError, match=r"1,048,577 bytes"):
        manifests(name=f"{tmp_path}/mine.py")


def test_a_rayjob_names_its_study_and_its_storage():
    made = study_manifests(job(name="my.study"), "beale", "local-cpu", "/studies", [])
    own = {"tunepipe/storage": "/studies", "tunepipe/study-name": "my.study"}
    assert made.job["metadata"]["annotations"].items() >= own.items()
    # By it, messages name the study as its copy on the user's machine.
    assert yaml.safe_load(made.job["spec"]["runtimeEnvYAML"])["env_vars"]["TUNEPIPE_STORAGE"] == "/studies"
    assert "claimName" in str(made)


def test_with_an_object_store_nothing_waits_for_a_volume():
    made = str(manifests("prod-gpu", "s3://b"))
    assert "claimName" not in made
    assert "TUNEPIPE_STORAGE:" not in made
    assert made.count("sources: []") == made.count("mountPath: /studies") == 5


@pytest.mark.parametrize("name", ["a", "1", "3com", "under_score", "dotted.name", "x" * 63, "x-y" * 20])
def test_names_are_what_kubernetes_takes(name):
    made = study_label(name)
    assert len(made) <= 40
    assert re.fullmatch("[a-z][a-z0-9-]*[a-z0-9]|[a-z]", made)


def _group(name: str = "cpu", most: int = 10, **limits: str) -> dict[str, Any]:
    found = {"cpu": "4", "memory": "16Gi", **limits}
    if "gpus" in found:
        found["nvidia.com/gpu"] = found.pop("gpus")
    container = {"resources": {"limits": found}}
    return {"groupName": name, "maxReplicas": most, "template": {"spec": {"containers": [container]}}}


@pytest.mark.parametrize(
    ("need", "limits", "given", "parallel"),
    [
        *((need, {"gpus": "4", "cpu": "64", "memory": "200Gi"}, None, parallel)
          for need, parallel in ((1, 4), (0.6, 4), (0.5, 8), (0.1, 40), (2, 2))),
        (0, {"cpu": "2"}, None, 2), (0, {"cpu": "500m"}, {}, 1), (0, {"cpu": "1500m"}, {}, 2),
        (0, {"cpu": "2"}, {"num-cpus": "6"}, 6), (1, {"gpus": "2"}, {}, 2), (1, {"gpus": "2"}, {"num-gpus": "1"}, 1),
    ],
)  # fmt: skip
def test_trials_of_a_pod_are_those_that_ray_starts(need, limits, given, parallel):
    wanted = job(resources__gpus=need, budget__trials=100)
    assert plan(wanted, [_group(**limits) | {"rayStartParams": given}]).groups[0].trials == parallel


@pytest.mark.parametrize("limits", [{"memory": "4GiB"}, {"cpu": "two"}])
def test_a_limit_that_is_no_amount_is_refused(limits):
    with pytest.raises(ClusterError, match=rf"'{next(iter(limits.values()))}', which Kubernetes does not accept"):
        plan(job(), [_group(**limits)])


def test_pods_are_as_many_as_trials_need():
    groups = [_group("small", 2), _group("large", 10), _group("gpu", 5, gpus="1")]
    found = plan(job(budget__trials=17), groups)
    planned = [(group.name, group.pods, group.trials) for group in found.groups]
    assert planned == [("small", 2, 4), ("large", 3, 4), ("gpu", 0, 0)]
    assert (found.workers, found.wanted) == (17, 17)
    few = plan(job(budget__trials=100), groups[:1])
    assert (few.workers, few.wanted) == (8, 100)
    halves = manifests("prod-gpu", resources__gpus=0.5, resources__cpus=2, budget__trials=16)
    specs = halves.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert {each["groupName"]: each["maxReplicas"] for each in specs} == {
        "cpu": 4, "gpu-l4": 8, "gpu-l4-spot": 0, "gpu-a100": 0
    }  # fmt: skip
    assert "autoscaling up to 8 GPUs" in str(halves.plan)


def test_a_trial_that_fits_no_pod_is_refused():
    refused = r"requests 1 CPU, 3 GPUs and 750 MB.*cpu \(1 CPU, 0 GPUs, 3.22 GB per pod\).*--values with .*count: 4`"
    with pytest.raises(ResourcesUnmet, match=refused):
        manifests(resources__gpus=3)
    with pytest.raises(ResourcesUnmet):
        plan(job(), [_group(most=0)])


def test_memory_counts_as_cpus_do():
    made = manifests(resources__cpus=0.1, budget__trials=10)
    assert (made.plan.groups[0].trials, made.plan.groups[0].pods, made.plan.workers) == (3, 2, 6)
    assert "cpu: 0 to 2 pods, 3 trials in each by its memory" in str(made.plan)
    assert words(made)[-4:] == ["--workers", "6", "--set", "resources.memory_gigabytes=0.75"]
    (group,) = made.job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    # Ray's own processes keep some.
    assert int(group["rayStartParams"]["memory"]) == 3 * 2**30 - 500_000_000
    made = manifests(options=["--set", "resources.memory_gigabytes=2.5"], resources__memory_gigabytes=2.5)
    assert made.plan.groups[0].trials == 1
    assert made.job["spec"]["entrypoint"].count("memory_gigabytes") == 1
    with pytest.raises(ResourcesUnmet, match="and 3 GB of memory"):
        manifests(resources__memory_gigabytes=3)
