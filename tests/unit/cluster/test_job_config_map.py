"""The code of a job as a ConfigMap."""

import base64
from pathlib import Path

import pytest

from pipeline.cluster.job_config_map import config_map, mounted_items
from pipeline.errors import ClusterError
from pipeline.study.sources import SourceFile, Sources


def sources(**content: bytes) -> Sources:
    """Files by their paths, in which `_` stands for a slash."""
    paths = {name.replace("_", "/") + ".py": text for name, text in content.items()}
    return Sources(tuple(SourceFile(path, path, text, Path(path)) for path, text in paths.items()))


def test_each_file_has_a_key_and_a_path():
    """Each file of a job is a key of its ConfigMap, as text if it is UTF-8, and is mounted at its own path."""
    job = sources(mine=b"JOB = 1\n", nets_small=b"# caf\xe9\n")
    made = config_map(job, {"name": "s-1", "namespace": "n"})
    assert made["metadata"]["namespace"] == "n"
    assert made["data"] == {"mine.py": "JOB = 1\n"}
    assert {key: base64.b64decode(text) for key, text in made["binaryData"].items()} == {
        "nets_small.py": b"# caf\xe9\n"
    }
    assert mounted_items(job) == [
        {"key": "mine.py", "path": "mine.py"},
        {"key": "nets_small.py", "path": "nets/small.py"},
    ]


def test_other_files_are_another_config_map():
    """A ConfigMap's name begins with the RayJob's and depends on its files: none is taken for one with other files."""
    jobs = [sources(mine=b"JOB = 1\n"), sources(mine=b"JOB = 2\n"), sources(mine=b"\xe9"), sources(mine=b"JOB = 1\n")]
    names = [config_map(job, {"name": "s-1"})["metadata"]["name"] for job in jobs]
    assert all(name.startswith("s-1-") for name in names)
    assert names[0] == names[3]
    assert len(set(names)) == 3


def test_files_whose_paths_give_the_same_key_are_kept_apart():
    """Paths that become the same key, and a path that is longer than a key may be, get their own keys."""
    names = ("a/b.py", "a_b.py", "a b.py", f"{'x' * 300}.py")
    job = Sources(tuple(SourceFile(name, name, name.encode(), Path(name)) for name in names))
    items = {each["key"]: each["path"] for each in mounted_items(job)}
    assert sorted(items.values()) == sorted(names)
    assert all(len(key) <= 253 for key in items)
    assert {key: items[key] for key in items} == config_map(job, {"name": "s-1"})["data"]


def test_files_that_are_too_large_are_refused():
    """Files that exceed the size of a ConfigMap together are refused, and the largest are named."""
    job = sources(mine=b"JOB = 1\n", big=b"#" * 2**20)
    with pytest.raises(ClusterError, match=r"1,048,584 bytes.*1,048,576.*big\.py \(1,048,576\), mine\.py \(8\)"):
        config_map(job, {"name": "s-1"})
