"""Identity services under test, a folder each behind one port."""
