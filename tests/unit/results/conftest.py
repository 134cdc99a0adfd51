"""Studies that several tests read, each written once."""

import pytest

from pipeline.results import Results, load_results
from tests.unit.results.edges import branches
from tests.unit.results.studies import Recording, asha_study, every_domain_study, pbt_study


@pytest.fixture(scope="session")
def asha(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Successive halving with a failure, a NaN and a lost worker."""
    return asha_study(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def pbt(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A population with exploits."""
    return pbt_study(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="session")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A parameter of each kind; a loss to be made small."""
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
def branches_results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of a study with parameters that only some trials have."""
    return load_results(branches(tmp_path_factory.mktemp("studies")).store.uri)
