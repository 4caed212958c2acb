"""Experiments with restricted Boltzmann machines."""
