"""Thieves of live credentials, each with one idea, by name."""

from loadgen.personas.busy_thief import BusyThief
from loadgen.personas.canary_thief import CanaryThief
from loadgen.personas.persona import Persona
from loadgen.personas.quiet_thief import QuietThief
from loadgen.personas.scope_thief import ScopeThief
from loadgen.personas.static_key_thief import StaticKeyThief
from loadgen.personas.superseded_svid_thief import SupersededSvidThief
from loadgen.personas.two_origin_thief import TwoOriginThief

PERSONAS: dict[str, Persona] = {
    persona.name: persona
    for persona in (
        StaticKeyThief(),
        SupersededSvidThief(),
        TwoOriginThief(),
        ScopeThief(),
        QuietThief(),
        CanaryThief(),
        BusyThief(),
    )
}
"""Every persona, in the order in which thefts are numbered."""

__all__ = ["PERSONAS", "Persona"]
