"""How long to look: `pytest tests/fuzz --fuzz-examples 10000` fills results/reliability.csv."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "mutated inputs in all, counted in results/reliability.csv; default: a few"
    parser.addoption("--fuzz-examples", type=int, default=None, help=text)


@pytest.fixture(scope="session")
def in_all(request) -> int | None:
    """How many inputs a long run tries in all; None in an ordinary one."""
    return request.config.getoption("--fuzz-examples", default=None)
