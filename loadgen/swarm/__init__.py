"""Hollow agents: everything that SPIRE's agent does to its server, and nothing else."""
