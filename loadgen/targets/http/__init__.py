"""Any REST endpoint as a target, described in TOML; see README.md."""
