"""Experiments with feedforward networks."""
