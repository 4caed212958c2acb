"""The checks that users call, and the steps that they share: decompose, run, compare."""
