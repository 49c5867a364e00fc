"""One running target of each kind for the whole suite; tests that stop one start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.targets.port import Target
from tests.conformance.subjects import SUBJECTS, Subject


@pytest.fixture(scope="session", params=SUBJECTS, ids=lambda subject: subject.name)
def subject(request: pytest.FixtureRequest) -> Subject:
    return request.param


@pytest.fixture(scope="session")
def workdir(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(subject.name)


@pytest.fixture(scope="session")
def target(subject: Subject, workdir: Path) -> Iterator[Target]:
    with subject.running(workdir) as running:
        yield running
