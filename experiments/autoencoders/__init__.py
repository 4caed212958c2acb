"""Experiments with autoencoders and their pretraining."""
