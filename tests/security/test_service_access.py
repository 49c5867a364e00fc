"""Who may do what: every credential opens its own door and no other."""

import base64
import json
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from loadgen.service.app import App, Handler
from loadgen.service.faults import Refusal
from loadgen.service.identity_service import Call, IdentityService
from scenarios.errors import InputError

ONE, TWO, SHARED = (
    "spiffe://example.org/support/1",
    "spiffe://example.org/support/2",
    "key://support/0",
)
PERMISSIONS = {"routine": ["ticket:read"], "night": ["incident:write"]}
CSR = base64.b64encode(
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([]))
    .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    .public_bytes(Encoding.DER)
).decode()


def ask(
    handler: Handler, body: object = None, bearer: str = "", **call: str | bytes
) -> dict[str, Any]:
    answer = handler(
        Call(body=json.dumps(body).encode(), bearer=bearer, origin="127.0.0.5", **call)
    )
    return json.loads(answer)


def refused(
    code: str, handler: Handler, body: object = None, bearer: str = "", **call: str | bytes
) -> Call:
    made = Call(body=json.dumps(body).encode(), bearer=bearer, origin="127.0.0.5", **call)
    with pytest.raises(Refusal, match=r"^[^\n]+$") as caught:
        handler(made)
    assert caught.value.code == code
    return made


def entries(*names: str, **terms: object) -> dict[str, object]:
    listed = [{"identity": n, "workload": "support", "permissions": PERMISSIONS} for n in names]
    return {"entries": listed, "max_ttl_s": 60, **terms}


def question(subject: str, permission: str) -> dict[str, object]:
    kind, action = permission.split(":")
    return {
        "subject": {"type": "workload", "id": subject},
        "action": {"name": action},
        "resource": {"type": kind, "id": "7"},
    }


@pytest.fixture
def service() -> IdentityService:
    return IdentityService("example.org")


@pytest.fixture
def node(service: IdentityService) -> str:
    return ask(service.register, entries(ONE, SHARED), service.admin_token)["token"]


def jwt(service: IdentityService, node: str, **more: object) -> dict[str, object]:
    body = {"spiffe_id": ONE, "audience": [service.audience], **more}
    return ask(service.issue_jwt, body, node)


def test_only_the_administrator_registers_and_revokes(service: IdentityService, node: str) -> None:
    token = jwt(service, node)["token"]
    for bearer in ("", node, token, service.admin_token[:-1], "é"):
        refused("admin-only", service.register, entries(ONE), bearer)
        refused("admin-only", service.revoke, {"identity": ONE}, bearer)


def test_only_a_registration_token_issues_and_only_its_own_identities(
    service: IdentityService, node: str
) -> None:
    other = ask(service.register, entries(TWO), service.admin_token)["token"]
    for handler, body in (
        (service.issue_jwt, {"spiffe_id": ONE, "audience": ["a"]}),
        (service.issue_x509, {"spiffe_id": ONE, "csr": CSR}),
        (service.issue_key, {"identity": SHARED}),
    ):
        assert ask(handler, body, node)["serial"]
        refused("not-entitled", handler, body, other)
        for bearer in ("", service.admin_token, jwt(service, node)["token"]):
            refused("bad-node-token", handler, body, bearer)


def test_a_csr_for_another_identity_is_refused(service: IdentityService, node: str) -> None:
    uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(TWO)])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(uri, critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    body = {"spiffe_id": ONE, "csr": request.public_bytes(Encoding.PEM).decode()}
    refused("not-entitled", service.issue_x509, body, node)


@pytest.mark.parametrize(
    "name",
    ["spiffe://evil.org/support/1", "spiffe://example.org.evil.org/a", f"{ONE}/task/night"],
)
def test_names_outside_the_trust_domain_are_not_registered(
    service: IdentityService, name: str
) -> None:
    refused("bad-entry", service.register, entries(TWO, name), service.admin_token)
    node = ask(service.register, entries(ONE), service.admin_token)["token"]
    refused("not-entitled", service.issue_jwt, {"spiffe_id": TWO, "audience": ["a"]}, node)


def test_a_token_for_another_audience_opens_nothing(service: IdentityService, node: str) -> None:
    token = ask(service.issue_jwt, {"spiffe_id": ONE, "audience": ["elsewhere"]}, node)["token"]
    refused("wrong-audience", service.evaluate, question(ONE, "ticket:read"), token)


def test_a_token_of_another_service_opens_nothing(service: IdentityService, node: str) -> None:
    other = IdentityService("example.org")
    there = ask(other.register, entries(ONE), other.admin_token)["token"]
    call = refused(
        "bad-token", service.evaluate, question(ONE, "ticket:read"), jwt(other, there)["token"]
    )
    assert [line.identity for line in call.lines] == [""], "an unproven name was logged as proven"
    assert jwt(service, node)


def test_a_document_opens_only_its_task_for_its_own_subject(
    service: IdentityService, node: str
) -> None:
    token = jwt(service, node, task="night")["token"]
    assert ask(service.evaluate, question(ONE, "incident:write"), token) == {"decision": True}
    assert ask(service.evaluate, question(ONE, "ticket:read"), token) == {"decision": False}
    refused("other-subject", service.evaluate, question(TWO, "incident:write"), token)
    refused("other-subject", service.evaluate, question(f"{ONE}/task/x", "a:b"), token)


def test_task_scope_can_be_demanded(service: IdentityService) -> None:
    node = ask(service.register, entries(ONE, task_scope=True), service.admin_token)["token"]
    refused("task-needed", service.issue_jwt, {"spiffe_id": ONE, "audience": ["a"]}, node)
    refused("not-entitled", service.issue_x509, {"spiffe_id": ONE, "csr": CSR, "task": "x"}, node)
    svid = ask(service.issue_x509, {"spiffe_id": ONE, "csr": CSR, "task": "night"}, node)
    assert svid["spiffe_id"] == f"{ONE}/task/night"


def test_revocation_by_serial_spares_others_and_by_identity_spares_later_ones(
    service: IdentityService, node: str
) -> None:
    asked = question(ONE, "ticket:read")
    first, second = jwt(service, node), jwt(service, node)
    ask(service.revoke, {"serial": first["serial"]}, service.admin_token)
    refused("revoked", service.evaluate, asked, first["token"])
    assert ask(service.evaluate, asked, second["token"])["decision"]
    ask(service.revoke, {"identity": ONE}, service.admin_token)
    refused("revoked", service.evaluate, asked, second["token"])
    time.sleep(0.001)
    assert ask(service.evaluate, asked, jwt(service, node)["token"])["decision"]


def test_a_revoked_key_is_replaced_and_a_guessed_one_is_refused(
    service: IdentityService, node: str
) -> None:
    asked = question(SHARED, "ticket:read")
    key = ask(service.issue_key, {"identity": SHARED}, node)
    assert ask(service.issue_key, {"identity": SHARED}, node) == key
    refused(
        "bad-key",
        service.evaluate,
        asked,
        key["key"][:-1] + "A" * (key["key"][-1] != "A") + "B" * (key["key"][-1] == "A"),
    )
    refused("bad-key", service.evaluate, asked, "midas-key-0000000000000000-x")
    ask(service.revoke, {"serial": key["serial"]}, service.admin_token)
    refused("revoked", service.evaluate, asked, key["key"])
    assert ask(service.issue_key, {"identity": SHARED}, node)["serial"] > key["serial"]


@pytest.mark.parametrize("header", ["", ":", "::", "MII", ":%%%:", ":QUJD:"])
def test_a_bad_client_cert_header_is_refused(service: IdentityService, header: str) -> None:
    with pytest.raises(Refusal) as caught:
        ask(service.evaluate, question(ONE, "ticket:read"), client_cert=header)
    assert caught.value.status in (400, 401)


def test_the_authority_s_own_certificate_opens_nothing(service: IdentityService) -> None:
    der = service.authority.certificate.public_bytes(Encoding.DER)
    refused("not-registered", service.evaluate, question(ONE, "ticket:read"), tls_certificate=der)


def test_an_enforcement_point_asks_for_subjects_by_name(
    service: IdentityService, node: str
) -> None:
    assert node
    answers = ask(
        service.evaluate_many,
        {
            "subject": {"type": "workload", "id": ONE},
            "resource": {"type": "ticket", "id": "7"},
            "evaluations": [
                {"action": {"name": "read"}},
                {"action": {"name": "write"}},
                {"action": {"name": "read"}, "subject": {"type": "workload", "id": TWO}},
            ],
        },
        service.admin_token,
    )
    assert [answer["decision"] for answer in answers["evaluations"]] == [True, False, False]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_several_evaluations_stop_where_they_are_told(
    service: IdentityService, node: str, semantic: str, expected: list[bool]
) -> None:
    assert node
    body = {
        **question(ONE, "ticket:read"),
        "evaluations": [{}, {"action": {"name": "burn"}}, {}],
        "options": {"evaluations_semantic": semantic},
    }
    call = Call(body=json.dumps(body).encode(), bearer=service.admin_token)
    found = json.loads(service.evaluate_many(call))
    assert [answer["decision"] for answer in found["evaluations"]] == expected
    assert len(call.lines) == len(expected)


def test_an_operator_can_forbid_more() -> None:
    policy = 'forbid(principal, action == Action::"ticket:read", resource == Resource::"7");'
    service = IdentityService("example.org", policy)
    node = ask(service.register, entries(ONE), service.admin_token)["token"]
    token = jwt(service, node)["token"]
    assert ask(service.evaluate, question(ONE, "ticket:read"), token) == {"decision": False}
    with pytest.raises(InputError, match=r"^policies: [^\n]+$"):
        IdentityService("example.org", "forbid(everything")


def test_nested_rubbish_is_one_line(service: IdentityService) -> None:
    for body in (b"", b"[" * 30_000, b'{"a":' * 30_000, b"\xff\xfe", b"null", b'"', b"NaN"):
        with pytest.raises(Refusal, match=r"^body: [^\n]+$") as caught:
            service.evaluate(Call(body=body))
        assert caught.value.status == 400


def test_every_route_is_described() -> None:
    service = IdentityService("example.org")
    described = json.loads(App(service, log=None)._openapi)["paths"]
    assert set(App(service, log=None)._routes) == set(described)
