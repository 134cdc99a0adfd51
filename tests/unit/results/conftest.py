"""Studies that several tests read, each written once."""

import pytest

from pipeline.results import Results, load_results
from tests.recorded_studies import Recording, asha_study, every_domain_study, pbt_study
from tests.small_studies import of_function, wide_study


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
    return load_results(asha.store.uri)


@pytest.fixture(scope="session")
def pbt_results(pbt: Recording) -> Results:
    return load_results(pbt.store.uri)


@pytest.fixture(scope="session")
def domains_results(domains: Recording) -> Results:
    return load_results(domains.store.uri)


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study in which two hyperparameters matter and two do not."""
    root = tmp_path_factory.mktemp("studies")
    return of_function(root, lambda config: 4 * config["a"] + (config["c"] == "x"))


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study of 60 hyperparameters, of which one matters."""
    return wide_study(tmp_path_factory.mktemp("studies"))
