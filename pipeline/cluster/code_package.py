"""The code that is uploaded to a cluster: a zip of the project and of tunepipe, the same bytes for the same files."""

import hashlib
import importlib.util
import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.code.modules import split_job_name
from pipeline.code.snapshot import project_files, snapshot_of_file
from pipeline.errors import ClusterError

MAX_BYTES = 500 * 2**20
"""The limit of Ray's server, 512 MiB, less the directory of the zip."""

_OUTSIDE = "submitted"
"""The folder of a job file from outside the project, and of what it imports."""


@dataclass(frozen=True, slots=True)
class Package:
    """What is uploaded, and the job's name in it."""

    content: bytes
    name: str
    job: str


def package(project: Path, job: str, *, most: int = MAX_BYTES) -> Package:
    """Pack the project, the installed tunepipe, and the job file if it is outside the project."""
    project = project.resolve()
    job_file, name = split_job_name(job)
    try:
        files = _below(project, "")
        if job_file.endswith(".py"):
            file = Path(job_file).expanduser().resolve()
            if file.is_relative_to(project):
                job_file = file.relative_to(project).as_posix()
                files[job_file] = file
            else:
                outside = snapshot_of_file(file)
                job_file = f"{_OUTSIDE}/{next(iter(outside.files))}"
                files |= {f"{_OUTSIDE}/{path}": outside.roots[0] / path for path in outside.files}
        # The cluster runs this version, whatever version its image has.
        for own in ("pipeline", "tune_jobs"):
            if (spec := importlib.util.find_spec(own)) is not None and spec.origin is not None:
                files |= _below(Path(spec.origin).parent, f"{own}/")
        sizes: Counter[str] = Counter()
        for path, file in files.items():
            sizes[path.partition("/")[0]] += file.stat().st_size
        if sizes.total() > most:
            largest = ", ".join(f"{path} ({size / 2**20:,.0f} MiB)" for path, size in sizes.most_common(3))
            raise ClusterError(
                f"The code in {project} has {sizes.total() / 2**20:,.0f} MiB, and a cluster accepts "
                f"{most / 2**20:,.0f} MiB. Most of it is in {largest}. List in .gitignore what a study does not need."
            )
        content = _zip(files)
    except (OSError, UnicodeEncodeError) as error:
        raise ClusterError(
            f"A file of {project} cannot be uploaded: {error}. List it in .gitignore, or call the command in another "
            "folder."
        ) from None
    return Package(content, f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip", f"{job_file}{name}")


def _below(folder: Path, prefix: str) -> dict[str, Path]:
    return {f"{prefix}{path.relative_to(folder).as_posix()}": path for path in project_files(folder)}


def _zip(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
