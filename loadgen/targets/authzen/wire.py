"""What the generator asks an AuthZEN decision point."""

from typing import Any

import msgspec

from loadgen.targets.agents import Agents, Turns
from loadgen.targets.decisions import decision, evaluation
from loadgen.targets.port import Op, Stolen, Wire

_OK = 200


class Config(msgspec.Struct, frozen=True):
    """What ``Target.wire_plan`` sends."""

    host: str
    path: str
    token: str
    agents: Agents


class AuthZenWire:
    """Asks as a policy enforcement point would; agents hold nothing, so nothing can be stolen."""

    def __init__(self, config: Config) -> None:
        self._agents = config.agents
        self._turns = Turns(config.agents)
        bearer = f"Authorization: Bearer {config.token}\r\n" if config.token else ""
        self._head = (
            f"POST {config.path} HTTP/1.1\r\nHost: {config.host}\r\n{bearer}"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def prepare(self) -> None:
        """Do nothing: no payload is costly."""

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return one whole HTTP/1.1 request."""
        if op is not Op.AUTHORIZE:
            raise ValueError(f"{op}: a decision point issues nothing")
        body = evaluation(self._agents.names[agent], self._turns.next(agent, task).permission)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def response(
        self,
        op: Op,  # noqa: ARG002
        agent: int,  # noqa: ARG002
        task: int,  # noqa: ARG002
        status: int,
        body: bytes,
        now_s: float,  # noqa: ARG002
    ) -> str:
        """Return the decision (``ok`` or ``denied``), another status, or ``protocol``."""
        return decision(body) if status == _OK else str(status)

    def steal(self, agent: int, task: int) -> Stolen | None:  # noqa: ARG002
        """Return None: the decision point sees names, not credentials."""
        return None


def wire(config: dict[str, Any]) -> Wire:
    """Return the wire of a plan."""
    return AuthZenWire(msgspec.convert(config, Config))
