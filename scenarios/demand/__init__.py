"""When things happen: keyed random draws, the switch law and the arrival schedule."""
