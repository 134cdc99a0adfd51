"""The code that is uploaded to a cluster: a zip of the project and of tunepipe, the same bytes for the same files."""

import hashlib
import importlib.util
import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.code import project_files, snapshot_of_file, split_job_name
from pipeline.errors import ClusterError

MAX_BYTES = 500 * 2**20
"""The limit of Ray's server, 512 MiB, less the directory of the zip."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
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
    packed_job = job_file
    try:
        files = {path.relative_to(project).as_posix(): path for path in project_files(project)}
        if job_file.endswith(".py"):
            file = Path(job_file).expanduser().resolve()
            if file.is_relative_to(project):
                packed_job = file.relative_to(project).as_posix()
                files[packed_job] = file
            else:
                outside = snapshot_of_file(file)
                packed_job = f"{_OUTSIDE}/{next(iter(outside.files))}"
                files |= {f"{_OUTSIDE}/{path}": outside.roots[0] / path for path in outside.files}
        # The cluster runs this version, whatever version its image has.
        for own in ("pipeline", "tune_jobs"):
            if (spec := importlib.util.find_spec(own)) is not None and spec.origin is not None:
                folder = Path(spec.origin).parent
                paths = project_files(folder, above=False)
                files |= {f"{own}/{path.relative_to(folder).as_posix()}": path for path in paths}
        _refuse_large(files, project, most)
        content = _zip(files)
    except (OSError, UnicodeEncodeError) as error:
        what, why = (
            (error.filename, error.strerror)
            if isinstance(error, OSError)
            else (repr(error.object), "its name is not UTF-8")
        )
        raise ClusterError(
            f"{what} cannot be uploaded: {why}. List it in .gitignore, or call the command in another folder."
        ) from None
    return Package(content, f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip", f"{packed_job}{name}")


def _refuse_large(files: dict[str, Path], project: Path, most: int) -> None:
    sizes: Counter[str] = Counter()
    for name, path in files.items():
        sizes[PurePosixPath(name).parts[0]] += path.stat().st_size
    if (total := sizes.total()) > most:
        largest = ", ".join(f"{name} ({size / 2**20:,.0f} MiB)" for name, size in sizes.most_common(3))
        raise ClusterError(
            f"The code in {project} has {total / 2**20:,.0f} MiB, and a cluster accepts {most / 2**20:,.0f} MiB. "
            f"Most of it is in {largest}. List in .gitignore what a study does not need, or call the command "
            "in a smaller folder."
        )


def _zip(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
