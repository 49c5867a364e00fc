"""What comes out of a run: manifest, five tables, estimates, and the store that keeps them."""
