"""Any AuthZEN 1.0 decision point as a target; see README.md."""
