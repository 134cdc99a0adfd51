"""Images: the product's, from its Dockerfile on a base of Debian's packages, and the one for a pod's network."""

import hashlib
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.kubernetes.testbed.place import CACHE, HERE
from tests.kubernetes.testbed.room import call

IMAGE = f"localhost/tunepipe-cpu:{version('tunepipe')}"
NAMES = tuple(
    f"{registry}/tunepipe-{kind}:{version('tunepipe')}"
    for registry in ("docker.io/library", "registry.lab")
    for kind in ("cpu", "gpu")
)
"""The full names of the images of the chart and of the documentation; the CPU's takes the GPU's place."""

TITLE = "org.opencontainers.image.title=tunepipe"
"""The label of the product's images and of the stages from which they are built."""

_PAUSE = "localhost/pause:1"
_PROJECT = HERE.parents[2]
_SOURCES = ("requirements", "k8s", "pipeline", "tune_jobs")
_INGREDIENTS = ("Dockerfile", "LICENSE", ".dockerignore", "pyproject.toml", "README.md", *_SOURCES)
_RELEASE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_LEFT_OUT = ("var/cache/apt", "var/lib/apt/lists", *(f"usr/share/{name}" for name in ("locale", "man", "info", "doc")))
"""Folders that Debian's images for containers leave out, too; debootstrap does not."""

_MADE_OF = " ".join([_RELEASE, _PACKAGES, *_LEFT_OUT])
_BASE = f"localhost/tunepipe-testbed-base:{hashlib.sha256(_MADE_OF.encode()).hexdigest()[:12]}"


def archives() -> list[Path]:
    """Archives of both images, created unless they exist and none of their sources has changed."""
    folder = CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    pause, product = folder / "pause.tar", folder / f"tunepipe-{_digest()}.tar"
    if not pause.exists():
        _make_pause(pause)
    if not product.exists():
        _make_product(product)
        for old in folder.glob("tunepipe-*.tar"):
            if old != product:
                old.unlink()
    return [pause, product]


def _make_pause(archive: Path) -> None:
    with tempfile.TemporaryDirectory() as root:
        shutil.copy("/bin/busybox", Path(root, "busybox"))
        # As Kubernetes' own image, it reaps the orphans of a pod, which would look as if they still ran.
        reaping = '["/busybox", "sh", "-c", "while :; do /busybox sleep 3600 & wait $!; done"]'
        _imported(root, _PAUSE, "--change", f"ENTRYPOINT {reaping}")
    _saved(_PAUSE, archive)


def _make_product(archive: Path) -> None:
    if not call("podman", "images", "--quiet", _BASE):
        with tempfile.TemporaryDirectory() as root:
            call("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _RELEASE, root)
            for name in _LEFT_OUT:
                shutil.rmtree(Path(root, name))
            _imported(root, _BASE)
    # A tag for each commit would keep the images of old ones.
    variables = ("KINDS=cpu", "CONTAINERS=podman", f"BASE={_BASE}", f"BUILD={access()}", "COMMIT=")
    call("make", "-C", str(_PROJECT), "image", *variables)
    remove_old_images()
    _saved(IMAGE, archive)


def remove_old_images() -> None:
    """Remove the product's images and stages that have no name and are older than the last day, and no others."""
    # Those of the last day are what the next build starts from.
    call("podman", "image", "prune", "--force", "--filter", "until=24h", "--filter", f"label={TITLE}")


def access() -> str:
    """The access to package indexes during the build; no part of it stays in the image."""
    mounted = ["/etc/pip.conf", "/etc/ssl/certs"]
    volumes = [f"--volume {path}:{path}:ro" for path in mounted if Path(path).exists()]
    return " ".join(["--runtime runc --network host --isolation chroot", *volumes])


def _imported(root: str, name: str, *more: str) -> None:
    archive = f"{root}.tar"
    call("tar", "-C", root, "-cf", archive, ".")
    call("podman", "import", *more, archive, name)
    Path(archive).unlink()


def _saved(name: str, archive: Path) -> None:
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    call("podman", "save", "--format", "docker-archive", "--output", str(part), name)
    part.rename(archive)


def _digest() -> str:
    """The digest of all files that the Dockerfile uses."""
    found = hashlib.sha256()
    for name in _INGREDIENTS:
        top = _PROJECT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path.relative_to(_PROJECT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]
