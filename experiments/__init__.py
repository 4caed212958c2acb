"""Experiments: one file a claim, with the published figure, the command, the seeds and what was measured.

    python -m experiments --list            what there is, what it needs, how long it takes
    python -m experiments NAME --help       its options
    python -m experiments NAME              runs it; figures (JSON) and pictures (PNG) go to results/NAME/
    python -m experiments table             writes experiments/README.md from experiments/measured/*.json

An experiment is a module with a dataclass `Options` and a function `run(options) -> list[Record]`.
"""
