"""Checkpoints: their manager, their directories, how a state is serialised, the fingerprint of a run."""
