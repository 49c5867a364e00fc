"""OpenBao as a target; see README.md."""
