"""What is asked: the typed scenario, its regimes, its sources and the laws of credentials."""
