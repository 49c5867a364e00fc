"""Experiments whose outcome is known in closed form: what ``simulator.validate`` runs."""
