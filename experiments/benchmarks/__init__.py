"""Benchmarks: fnnets against its peers on the same work, outputs compared first, then timed in turn.

    python -m experiments.benchmarks feedforward        an epoch of feedforward networks (about 8 minutes on two cores)
    python -m experiments.benchmarks training           a step inside `fit` against every peer (20 minutes)
    python -m experiments.benchmarks import_time        what `import fnnets` adds to `import jax, optax`
    python -m experiments.benchmarks table              writes README.md here from measured/*.json

A benchmark never asserts by the clock; it prints which bars were reached, on which device.
"""
