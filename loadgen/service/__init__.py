"""The embedded identity service, a process of its own on loopback."""
