"""The embedded identity service as a target; see README.md."""
