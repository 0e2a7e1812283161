import pytest

from tests.show.show_helpers import sample_report


@pytest.fixture(scope="session")
def report():
    return sample_report()
