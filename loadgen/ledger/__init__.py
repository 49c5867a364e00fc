"""A log in which every change shows: Merkle tree, signed checkpoints, proofs, whole-log check."""
