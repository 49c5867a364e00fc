"""Who notices: the audit event and the detectors, the same objects in both worlds."""
