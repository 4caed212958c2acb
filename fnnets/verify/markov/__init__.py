"""Samplers of RBMs against enumerated Markov chains."""
