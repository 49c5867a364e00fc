"""Thieves that take live credentials and keep the ground truth."""
