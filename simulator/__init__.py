"""Simulated worlds: pure functions from a scenario and a seed to a run record."""
