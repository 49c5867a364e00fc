"""The identity server and what stands between it and who asks: the table ``[issuer]``."""

from typing import Annotated

from pydantic import Field

from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.regime import PositiveSeconds, Seconds, Share, Strict


class Backoff(Strict):
    """What an agent does after the issuer refused it: ``rules.backoff_delay``."""

    base_s: PositiveSeconds = 5.0
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    cap_s: PositiveSeconds = 60.0
    jitter: Share = 0.5
    """half-width of the uniform factor 1 ± jitter"""


class Datastore(Strict):
    """The first stage of a request: connections behind one FIFO queue, exponential service."""

    servers: Annotated[int, Field(ge=1, le=10_000)] = 1
    service_time_s: PositiveSeconds


class Quota(Strict):
    """A token bucket: requests beyond it wait their turn (``rules.limiter``)."""

    rate_hz: Annotated[float, Field(gt=0, le=1e6)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class RateLimit(Quota):
    """A token bucket for each address."""

    nodes_per_address: Annotated[int, Field(ge=1, le=100_000_000)] = 1
    """nodes that the issuer sees behind one address, in the order of their numbers"""


class Issuer(Strict):
    """The identity server: ``servers`` that sign, in parallel behind one FIFO queue.

    Service is exponential. All else is off unless said: ``simulator/population.py`` has the
    semantics.
    """

    servers: Annotated[int, Field(ge=1, le=10_000)] = 2
    service_time_s: PositiveSeconds = 0.002
    datastore: Datastore | None = None
    queue_limit: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    """requests that it holds beyond one for each server of every stage; more are refused"""
    deadline_s: PositiveSeconds | None = None
    """after this time an agent gives up on a request and backs off; the issuer works on it still"""
    rate_limit: RateLimit | None = None
    backoff: Backoff = Backoff()
    ca: CertificateAuthority | None = None
    """the CA that signs SVIDs, whose life limits theirs; one without end when absent"""
    entry_reload_s: Seconds = 0.0
    """time between reloads of the issuer's entries: a new agent is unknown until the next one"""
    agent_sync_s: Seconds = 0.0
    """time between the syncs of a node's agent, at which it learns of new entries"""
    agent_sync_jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """half-width of the uniform factor 1 ± jitter on that time, redrawn at each sync"""
    renew_at_sync: bool = False
    """what a timer makes due is asked for at the node's next sync: those of a node together"""
    sync_backoff: Backoff | None = None
    """under ``renew_at_sync`` a node's agent backs off as a whole, from a sync on that fails: what
    it asked for in vain waits for its next sync; when absent each request backs off by itself"""
    batch_overhead_s: Seconds = 0.0
    """work that requests which one node makes at one instant share: it is done once for all"""
    batch_limit: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """how many timers' requests of a node make one batch at most; no bound when absent"""
    batch_gap_s: PositiveSeconds = 0.5
    """what does not fit into a batch is asked for so much later"""
    not_before_backdate_s: Seconds = 10.0
    """how long before its issue a document's validity begins: clocks may be that far behind"""

    @property
    def chained_syncs(self) -> bool:
        """Whether syncs follow one another, not a fixed interval: jittered, or backing off."""
        drawn = self.agent_sync_jitter > 0.0 or self.sync_backoff is not None
        return self.renew_at_sync and drawn
