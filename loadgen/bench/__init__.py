"""The load generator and its peers, measured side by side."""
