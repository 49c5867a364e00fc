"""SPIRE, the SPIFFE reference implementation, as a target: installed, run, loaded and watched."""
