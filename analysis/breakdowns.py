"""What broke in a simulated run, in words."""

from collections.abc import Mapping
from typing import Any

from analysis import words


def told(fault: Mapping[str, Any]) -> str:
    """Return what a fault of a scenario does, as the beginning of a sentence."""
    match fault["kind"]:
        case "issuer-outage":
            return "the issuer is down"
        case "partition":
            return f"{words.number(100 * fault['share'])} % of the nodes cannot reach the issuer"
        case "datastore-slow":
            return f"the issuer's datastore takes {words.number(fault['factor'])} times as long"
        case "signing-slow":
            return f"a signature takes {words.number(fault['factor'])} times as long"
        case kind:
            return f"{kind} strikes"
