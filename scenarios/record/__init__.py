"""What comes out: five tables, a manifest, estimates and their storage."""
