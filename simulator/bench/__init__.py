"""Engines beside their peers on one model, in one session: what ``midas bench engines`` runs."""
