"""Measured worlds: real sockets, real credentials, real time."""
