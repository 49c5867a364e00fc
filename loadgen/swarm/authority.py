"""The trust bundle as a swarm sees it: who signs, who is tainted, who is gone."""

from loadgen.http2 import messages
from loadgen.targets.spire.credentials import client_context
from loadgen.targets.spire.proto import spire_api_pb2 as api
from loadgen.targets.spire.rotation import key_id


class Authority:
    """The X.509 authorities of one trust domain, by the order in which they were first seen.

    Args:
        authorities: certificates of the bundle at the start, DER.

    Attributes:
        certificates: those of the bundle now, DER.
        anonymous: TLS context that trusts them, for an agent without a document.
        tainted: numbers of those that the bundle calls tainted, revoked ones included.
        revoked: number of one that has left the bundle tainted → Unix time when that was seen.
    """

    def __init__(self, authorities: list[bytes]) -> None:
        self.certificates = authorities
        self.anonymous = client_context(authorities, None)
        self.tainted: set[int] = set()
        self.revoked: dict[int, float] = {}
        self._known: list[bytes] = [key_id(der) for der in authorities]
        self._bundle = b""

    @property
    def several(self) -> bool:
        """Whether there ever was more than one."""
        return len(self._known) > 1

    def update(self, body: bytes, wall_s: float) -> None:
        """Take a trust bundle (the answer to GetBundle) into account."""
        if body == self._bundle:
            return
        self._bundle = body
        (one,) = messages(body)
        found = api.Bundle.FromString(one).x509_authorities
        certificates = [authority.asn1 for authority in found]
        if certificates != self.certificates:
            self.certificates = certificates
            self.anonymous = client_context(certificates, None)
        present = set()
        for authority in found:
            name = key_id(authority.asn1)
            if name not in self._known:
                self._known.append(name)
            number = self._known.index(name)
            present.add(number)
            if authority.tainted:
                self.tainted.add(number)
        for number in self.tainted - present:
            self.revoked.setdefault(number, wall_s)

    def signer_of(self, leaf: bytes) -> int:
        """Return which authority signed a document, by the key identifier in it; 0 if none."""
        # a search in 700 bytes: parsing each of a thousand certificates a second costs more
        for number in range(len(self._known) - 1, 0, -1):
            if self._known[number] in leaf:
                return number
        return 0
