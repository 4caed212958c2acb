"""Experiments with convolutional networks."""
