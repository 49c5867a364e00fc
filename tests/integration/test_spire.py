"""SPIRE itself: attestation, the Workload API, a swarm, and what its log shows of a theft."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from spiffe import WorkloadApiClient

from loadgen.clock import RunClock
from loadgen.merge import read_rows
from loadgen.swarm.enrol import Attestor
from loadgen.swarm.field import CONTROL_FRAME_LIMIT, Fleet, swarm
from loadgen.swarm.kinds import Kind
from loadgen.swarm.protocol import ATTEST_OP, LAG_OP, RENEW_AGENT_OP, RENEW_OP, SYNC_OP
from loadgen.swarm.storm import counts, series, storm
from loadgen.targets.spire import audit
from loadgen.targets.spire.audit import BANNED, NOT_ACTIVE
from loadgen.targets.spire.call import (
    ATTEST,
    BAN,
    BATCH_CREATE_ENTRY,
    GET_BUNDLE,
    RENEW,
    SYNC_ENTRIES,
    Caller,
    Refused,
)
from loadgen.targets.spire.credentials import (
    Svid,
    client_context,
    csr,
    new_key,
    x509pop_path,
    x509pop_payload,
    x509pop_response,
)
from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins
from loadgen.targets.spire.process import ServerSettings, SpireAgent, SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.detection.audit import AuditEvent
from scenarios.errors import TargetUnavailable
from tests.spire_programs import spire_programs

DOMAIN = "spire.example"
THIEF = "127.0.0.77"
SYNC = api.SyncAuthorizedEntriesRequest(output_mask=api.EntryMask(revision_number=True))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpireServer]:
    programs = spire_programs()
    settings = ServerSettings(agent_ttl_s=20, control_frame_limit=CONTROL_FRAME_LIMIT)
    running = SpireServer(programs, tmp_path_factory.mktemp("spire"), DOMAIN, settings)
    running.start()
    try:
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="module")
def authorities(server: SpireServer) -> list[bytes]:
    with server.admin() as caller:
        bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
    return [authority.asn1 for authority in bundle.x509_authorities]


def attest_by_token(server: SpireServer, authorities: list[bytes]) -> Svid:
    key = new_key()
    params = api.AttestAgentRequest.Params(
        data=api.AttestationData(type="join_token", payload=server.join_token().encode()),
        params=api.AgentX509SvidParams(csr=csr(key)),
    )
    with Caller.agent(server.port, client_context(authorities, None)) as caller:
        request = api.AttestAgentRequest(params=params)
        answer = caller.call(ATTEST, request, api.AttestAgentResponse)
    return Svid.of(tuple(answer.result.svid.cert_chain), key)


def renew(server: SpireServer, authorities: list[bytes], svid: Svid) -> Svid:
    key = new_key()
    request = api.RenewAgentRequest(params=api.AgentX509SvidParams(csr=csr(key)))
    with Caller.agent(server.port, client_context(authorities, svid)) as caller:
        answer = caller.call(RENEW, request, api.RenewAgentResponse)
    return Svid.of(tuple(answer.svid.cert_chain), key)


def sync(server: SpireServer, authorities: list[bytes], svid: Svid, origin: str) -> str:
    context = client_context(authorities, svid)
    try:
        with Caller.agent(server.port, context, origin) as caller:
            caller.stream(SYNC_ENTRIES, SYNC)
    except Refused as refused:
        return refused.code
    return "ok"


def logged(server: SpireServer, identity: str) -> list[AuditEvent]:
    stopping = threading.Event()
    stopping.set()
    events = audit.follow(server.log, 0.0, stopping)
    return [event for event in events if event.identity == identity]


def test_a_stolen_agent_shows_as_the_log_says_and_a_ban_ends_it(
    server: SpireServer, authorities: list[bytes]
) -> None:
    old = attest_by_token(server, authorities)
    assert sync(server, authorities, old, "127.0.0.5") == "ok"
    assert sync(server, authorities, old, THIEF) == "ok"  # before the renewal: accepted
    new = renew(server, authorities, old)
    assert sync(server, authorities, old, THIEF) == "ok"  # renewed, but the new one not yet used
    assert sync(server, authorities, new, "127.0.0.5") == "ok"
    assert sync(server, authorities, old, THIEF) == "permission-denied"
    path = new.spiffe_id.removeprefix(f"spiffe://{DOMAIN}")
    with server.admin() as caller:
        identity = api.SpiffeId(trust_domain=DOMAIN, path=path)
        caller.call(BAN, api.BanAgentRequest(id=identity), api.Empty)
    assert sync(server, authorities, new, "127.0.0.5") == "permission-denied"
    events = logged(server, new.spiffe_id)
    refused = [event for event in events if event.outcome == "denied"]
    assert [event.permission for event in refused] == [NOT_ACTIVE, BANNED]
    assert (refused[0].origin, refused[0].serial) == (THIEF, old.serial)
    uncertain, certain = TwoAgentOrigins(), InactiveAgentSvid()
    first = next(alert for event in events if (alert := uncertain.update(event)))
    assert (first.event.origin, first.event.outcome) == (THIEF, "ok")
    sure = next(alert for event in events if (alert := certain.update(event)))
    assert sure.alert_s >= first.alert_s


def test_x509pop_attests_with_proof_of_the_nodes_key(
    server: SpireServer, authorities: list[bytes]
) -> None:
    node_key, key = new_key(), new_key()
    certificate = server.nodes.node("node", node_key)

    def attest(proof_key: object) -> api.AttestAgentResponse:
        params = api.AttestAgentRequest.Params(
            data=api.AttestationData(type="x509pop", payload=x509pop_payload(certificate)),
            params=api.AgentX509SvidParams(csr=csr(key)),
        )
        with Caller.agent(server.port, client_context(authorities, None)) as caller:
            number = caller.open(ATTEST, api.AttestAgentRequest(params=params))
            challenge = caller.next(ATTEST, number, api.AttestAgentResponse).challenge
            response = x509pop_response(challenge, proof_key, os.urandom(32))  # type: ignore[arg-type]
            caller.send(number, api.AttestAgentRequest(challenge_response=response), end=True)
            return caller.next(ATTEST, number, api.AttestAgentResponse)

    with pytest.raises(Refused):
        attest(new_key())
    answer = attest(node_key)
    assert answer.result.reattestable
    svid = Svid.of(tuple(answer.result.svid.cert_chain), key)
    assert svid.spiffe_id == f"spiffe://{DOMAIN}{x509pop_path(certificate)}"


def test_spires_own_agent_serves_the_workload_api(server: SpireServer) -> None:
    agent = SpireAgent(server)
    try:
        agent.start()
        entry = api.Entry(
            spiffe_id=api.SpiffeId(trust_domain=DOMAIN, path="/this-test"),
            parent_id=api.SpiffeId(trust_domain=DOMAIN, path=agent.path),
            selectors=[api.Selector(type="unix", value=f"uid:{os.getuid()}")],
        )
        with server.admin() as caller:
            request = api.BatchCreateEntryRequest(entries=[entry])
            caller.call(BATCH_CREATE_ENTRY, request, api.BatchCreateEntryResponse)
        with WorkloadApiClient(socket_path=agent.workload_api) as client:
            svid = None
            deadline = time.monotonic() + 20.0
            while svid is None and time.monotonic() < deadline:
                try:
                    svid = client.fetch_x509_svid()
                except Exception:  # noqa: BLE001  (until the entry has reached the agent)
                    time.sleep(0.2)
        assert svid is not None
        assert str(svid.spiffe_id) == f"spiffe://{DOMAIN}/this-test"
    finally:
        agent.remove()


def fleet_of(attestor: Attestor) -> Fleet:
    return Fleet(
        agents=12,
        identities=3,
        attestor=attestor,
        x509_ttl_s=8,
        seconds=11.0,
        spread_s=0.5,
        sync_s=1.0,
    )


def test_swarms_attest_sync_and_renew_everything(server: SpireServer) -> None:
    """Two fleets at once: agents that renew, and agents that must attest again."""
    with (
        swarm(server, fleet_of("join_token")) as renewing,
        swarm(server, fleet_of("x509pop")) as attesting,
    ):
        for link in (renewing, attesting):
            link.start(RunClock.starting_in(0.1))
        for link in (renewing, attesting):
            assert link.until(lambda p: p.identities >= 36, 10.0)
            stolen = link.steal(3)
            assert stolen is not None
            path = f"spiffe://{DOMAIN}/spire/agent/{link.plan.attestor}/"
            assert stolen.spiffe_id.startswith(path)
            assert "PRIVATE KEY" in stolen.pem
            assert link.steal(12) is None
        results = [link.finish(20.0) for link in (renewing, attesting)]
        rows = [read_rows(link.rundir, "operations") for link in (renewing, attesting)]
    assert results[0].ok[RENEW_AGENT_OP] >= 12  # an agent's own document lives 20 s
    assert results[1].ok[ATTEST_OP] >= 24
    for result, counted in zip(results, rows, strict=True):
        assert result.errors == {}
        assert result.ok[SYNC_OP] > 60
        assert result.signed > 36  # renewed at about half of 8 s and the 10 s before
        for op in (SYNC_OP, RENEW_OP):
            assert sum(row.count for row in counted if row.op == op) == result.ok[op]
        assert any(row.op == LAG_OP for row in counted)


def test_a_swarm_survives_a_mass_restart(server: SpireServer) -> None:
    fleet = Fleet(agents=8, identities=2, seconds=14.0, spread_s=0.5, sync_s=1.0)
    with swarm(server, fleet) as link:
        link.start(RunClock.starting_in(0.1))
        assert link.until(lambda p: p.identities >= 16, 12.0)
        before = link.progress[-1].ok[ATTEST_OP]
        link.restart()
        assert link.until(lambda p: p.ok[ATTEST_OP] >= before + 8 and p.identities >= 16, 10.0)
        link.stop()
        assert link.finish(10.0).errors.keys() <= {"sync:abandoned", "bundle:abandoned"}


def test_a_swarm_whose_plan_cannot_be_read_says_so_in_one_line(tmp_path: Path) -> None:
    import sys

    import msgspec

    from loadgen.supervise import Child
    from loadgen.swarm.protocol import PLAN_FILE, Line

    (tmp_path / PLAN_FILE).write_text('{"port": 1, "surprise": 2}')
    argv = [sys.executable, "-m", "loadgen.swarm", str(tmp_path)]
    child = Child(argv, name="swarm", log=tmp_path / "log")
    (line,) = list(child.lines())
    assert child.wait(5.0)
    assert child.stop() == 2
    error = msgspec.json.decode(line, type=Line).error
    assert error is not None
    assert "not a plan" in error.message
    assert "\n" not in error.message


def test_a_small_cold_start_recovers_and_is_told_second_by_second() -> None:
    found = storm(Kind.COLD_START, Fleet(agents=8, identities=2, sync_s=1.0), watch_s=30.0)
    report = found.report
    assert report.recovered
    assert report.recovery_s is not None
    assert report.failed_calls == {}
    assert report.retry_amplification == pytest.approx(1.0, abs=0.05)
    assert report.peak_signed_per_s > 0
    assert {count.name: count.value for count in counts(found, "0")}["recovered"] == 1.0
    identities = [s.value for s in series(found, "0") if s.name == "identities"]
    assert identities[0] < 16
    assert identities[-1] == 16


def test_a_swarm_ends_when_its_parent_does(server: SpireServer) -> None:
    with swarm(server, Fleet(agents=4, identities=1, seconds=60.0)) as link:
        link.start(RunClock.starting_in(0.1))
        assert link.until(lambda p: p.t_s > 0.5, 5.0)
        began_s = time.monotonic()
        link.child.stop()  # closes its stdin first
        assert time.monotonic() - began_s < 3.0
        assert link.result is None


def spire_servers() -> list[psutil.Process]:
    """Return the running SPIRE servers that are descendants of ours."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() == "spire-server":
                found.append(child)
    return found


def test_a_server_that_dies_while_agents_attest_is_said_in_one_line_and_leaves_nothing() -> None:
    before = set(spire_servers())
    configurations: list[Path] = []

    def kill_it() -> None:
        while not (fresh := set(spire_servers()) - before):
            time.sleep(0.1)
        time.sleep(2.0)
        for process in fresh:
            configurations.append(Path(process.cmdline()[-1]))
            process.kill()

    threading.Thread(target=kill_it, daemon=True).start()
    fleet = Fleet(agents=200, identities=1)  # they take 4 s to be brought up
    with pytest.raises(TargetUnavailable, match="spire-server ended") as caught:
        storm(Kind.MASS_RESTART, fleet, watch_s=20.0)
    assert "\n" not in str(caught.value)
    assert set(spire_servers()) == before
    (configuration,) = configurations
    assert not configuration.parents[1].exists()  # data, log, everything
    found = storm(Kind.COLD_START, Fleet(agents=2, identities=1, sync_s=1.0), watch_s=20.0)
    assert found.report.recovered  # the next call works


def test_a_revoked_authority_takes_nothing_with_it_when_agents_had_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tainted for 5 s, which is several syncs: everything is signed anew before the revocation."""
    monkeypatch.setattr("loadgen.swarm.storm.STEADY_S", 1.0)
    fleet = Fleet(agents=6, identities=2, sync_s=1.0)
    found = storm(Kind.CA_REVOKED, fleet, down_s=5.0, watch_s=60.0)
    assert found.report.recovered
    assert found.report.expired_identity_s == 0.0
    before = max(p.signed for p in found.progress if p.t_s <= found.fault_s)
    at_revocation = max(p.signed for p in found.progress if p.t_s <= found.fault_s + 5.0)
    assert (before, at_revocation) == (12, 24)
