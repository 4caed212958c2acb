"""Shared parts of experiments: options, training, results, tables, the catalogue."""
