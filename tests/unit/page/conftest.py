"""A storage with studies, read and served for the tests of the live page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.page.study_cache import StudyCache
from pipeline.results import Results, load_results
from pipeline.storage import Store
from tests.recorded_studies import asha_study, pbt_study
from tests.serving import serving

Get = Callable[..., requests.Response]


@pytest.fixture(scope="package")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    study = asha_study(root)
    study.store.write("logs/0000.log", b"\x1b[31mred\x1b[0m\nstep 1\rstep 2\r\n<b>bold</b>\n")
    study.store.write("files/0000/deep/er.txt", b"written")
    pbt_study(root)
    (root / "secret.txt").write_text("no study's")
    return root


# No longer than its module: tests of other packages set clocks, which the server's thread would follow.
@pytest.fixture(scope="module")
def address(storage: Path) -> Iterator[str]:
    with serving(storage) as found:
        yield found


@pytest.fixture
def get(address: str) -> Get:
    def asked(path: str, **options: Any) -> requests.Response:
        headers = {"Accept": "text/html", **options.pop("headers", {})}
        return requests.get(address + path, headers=headers, timeout=60, **options)

    return asked


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers look at what is viewed ten times a second."""
    monkeypatch.setattr("pipeline.page.app._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("pipeline.page.study_cache._POLL_SECONDS", 0)


def events(address: str) -> Iterator[str]:
    """The marks that a server sends to an open page, until it ends the response."""
    with requests.get(address, stream=True, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        for line in answer.iter_lines(decode_unicode=True):
            if mark := line.removeprefix("data:").strip():
                yield mark


@pytest.fixture(scope="package")
def studies(storage: Path) -> StudyCache:
    return StudyCache(Store(storage))


@pytest.fixture(scope="package")
def asha_results(storage: Path) -> Results:
    return load_results(storage / "mnist-asha")
