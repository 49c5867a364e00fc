"""The kinds of storms, apart from what runs them, so that help can name them at once."""

from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong."""

    COLD_START = "cold-start"
    """every agent attests, syncs and asks for everything at once, on a fresh server"""
    MASS_RESTART = "mass-restart"
    """every agent loses its connection and documents at one instant"""
    SERVER_KILLED = "server-killed"
    """SIGKILL, and a start on the same data after ``down_s``; CA keys on disk"""
    DATASTORE_LOCKED = "datastore-locked"
    """somebody else holds SQLite's write lock for ``down_s``"""
    CA_ROTATED = "ca-rotated"
    """a new CA is prepared and activated at once"""
    CA_REVOKED = "ca-revoked"
    """the same, the old CA tainted at once and, ``down_s`` later, revoked"""
