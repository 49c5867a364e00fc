"""Schemathesis against the service's own description: any input gets an answer that it describes.

Each operation is tried with the credential it needs, so that bodies reach the code behind it, and
without.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from loadgen.service.openapi import openapi
from loadgen.supervise import Child
from loadgen.targets.child import first_line, start
from loadgen.targets.rest import Rest

SCHEMA = schemathesis.openapi.from_dict(json.loads(openapi()))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
IDENTITY = "spiffe://example.org/support/1"


@dataclass(frozen=True)
class Running:
    child: Child
    url: str
    tokens: dict[str, str]
    """security scheme → bearer token"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    child = start("service", ["loadgen.service", "--data", str(folder / "data")], folder)
    try:
        ready = json.loads(first_line(child))
        url = f"http://127.0.0.1:{ready['port']}"
        rest = Rest("service", url)
        admin = ready["admin_token"]
        entry = {
            "identity": IDENTITY,
            "workload": "support",
            "permissions": {"routine": ["ticket:read"]},
        }
        entries = {"entries": [entry], "max_ttl_s": 60}
        registered = rest.call("POST", "/v1/entries", entries, {"Authorization": f"Bearer {admin}"})
        node = registered["token"]
        svid = rest.call(
            "POST",
            "/v1/svid/jwt",
            {"spiffe_id": IDENTITY, "audience": [ready["audience"]]},
            {"Authorization": f"Bearer {node}"},
        )
        yield Running(child, url, {"admin": admin, "node": node, "document": svid["token"]})
        assert not child.exited(), "the service died"
    finally:
        child.stop()


@SCHEMA.parametrize()
@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_one_that_the_description_promises(
    case: schemathesis.Case, running: Running
) -> None:
    scheme = next(
        (name for part in case.operation.definition.raw.get("security", ()) for name in part), ""
    )
    for token in {running.tokens.get(scheme, ""), ""}:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        case.call_and_validate(base_url=running.url, headers=headers, checks=CHECKS)
