"""Figures, one a file: summaries in, a ``Drawing`` with interval and n out."""
