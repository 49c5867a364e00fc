"""The control plane, written once: theft, abuse, detection, response and faults in SimPy."""
