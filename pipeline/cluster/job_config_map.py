"""The code of a job as a ConfigMap: its job file, and the modules and files next to it that it uses."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ClusterError
from pipeline.study.sources import SourceFile, Sources

_MAX_BYTES = 2**20
_MAX_CHARACTERS = 200
_SHOWN = 3
_DIGITS = 8


def config_map(sources: Sources, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A ConfigMap with all files of a job.

    Its name ends with a digest of them. Where a RayJob has the name of one that was just deleted, the ConfigMap of that
    one may still be there, and a pod would mount it.
    """
    files = _keyed(sources)
    if (total := sum(len(file.content) for file in files.values())) > _MAX_BYTES:
        largest = sorted(files.values(), key=lambda file: -len(file.content))[:_SHOWN]
        sizes = ", ".join(f"{file.path} ({len(file.content):,})" for file in largest)
        raise ClusterError(
            f"The job's files have {total:,} bytes, and a ConfigMap can have {_MAX_BYTES:,}. The largest: {sizes}. "
            "Put large data into the image or into the storage."
        )
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, file in files.items():
        # As text where it is UTF-8, so that a dry run can be read.
        try:
            data[key] = file.content.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(file.content).decode()
    content = {"data": data, "binaryData": binary}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "name": f"{metadata['name']}-{digest}"},
        **{kind: values for kind, values in content.items() if values},
    }


def mounted_items(sources: Sources) -> list[dict[str, str]]:
    """Which key of the ConfigMap is mounted at which path."""
    return [{"key": key, "path": file.path} for key, file in _keyed(sources).items()]


def _keyed(sources: Sources) -> dict[str, SourceFile]:
    """The files by their keys, which allow fewer characters than paths."""
    files: dict[str, SourceFile] = {}
    for number, file in enumerate((*sources.files, *sources.data)):
        key = re.sub(r"[^-._a-zA-Z0-9]", "_", file.path)
        if key in files or len(key) > _MAX_CHARACTERS or key.startswith(".."):
            key = f"{number}-{key[-_MAX_CHARACTERS:]}"
        files[key] = file
    return files
