"""Studies that several tests read, each written once."""

import pytest

from pipeline.results import Results, load_results
from pipeline.space import LogUniform
from tests import recorded_studies as studies
from tests.recorded_studies import Recording, asha_study, every_domain_study, pbt_study
from tests.small_studies import (
    of_function,
    wide_study,
)


@pytest.fixture(scope="session")
def asha(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study of successive halving with a failure, a NaN and a lost worker."""
    return asha_study(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def pbt(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A population with exploits."""
    return pbt_study(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study with a parameter of each kind and a loss to minimise."""
    return every_domain_study(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def asha_results(asha: Recording) -> Results:
    """The results of `asha`."""
    return load_results(asha.store.uri)


@pytest.fixture(scope="session")
def pbt_results(pbt: Recording) -> Results:
    """The results of `pbt`."""
    return load_results(pbt.store.uri)


@pytest.fixture(scope="session")
def domains_results(domains: Recording) -> Results:
    """The results of `domains`."""
    return load_results(domains.store.uri)


@pytest.fixture(scope="session")
def population(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A population whose best trial took over weights."""
    root = tmp_path_factory.mktemp("pbt")
    recording = studies.Recording(
        root, studies.tune_job("population", space={"lr": LogUniform(1e-3, 1.0)}, scheduler="pbt")
    )
    for trial, lr in (("0000", 0.5), ("0001", 0.1)):
        recording.decide(trial, 0, "start", 0, config_after={"lr": lr})
        for epoch in (1, 2):
            recording.train(trial, epoch, {"lr": lr}, 0.3 if trial == "0000" else 0.6, epoch)
    before, after = {"lr": 0.5}, {"lr": 0.08}
    recording.decide(
        "0000", 2, "exploit", 2, parent_trial="0001", parent_epoch=2, config_before=before, config_after=after
    )
    for epoch in (3, 4):
        recording.train("0000", epoch, after, 0.7 + epoch / 100, epoch, segment=2, model_epoch=epoch)
        recording.train("0001", epoch, {"lr": 0.1}, 0.65, epoch)
    for trial in ("0000", "0001"):
        recording.decide(trial, 4, "finish", 5)
    recording.end(5)
    return load_results(root / "population")


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study in which two hyperparameters matter and two do not."""
    root = tmp_path_factory.mktemp("studies")
    return of_function(root, lambda config: 4 * config["a"] + (config["c"] == "x"))


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study of 60 hyperparameters, of which one matters."""
    return wide_study(tmp_path_factory.mktemp("studies"))
