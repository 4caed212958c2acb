"""The command line: `fnnets verify TARGET` and `fnnets mutate FAMILY`, and `python -m fnnets` alike.

    entry     which command, and how it may end
    verify    options and work of `fnnets verify`; mutate: of `fnnets mutate`
    loading   what TARGET names; subjects: which check it asks for; generic: numbers in general position
    files     what is written; errors: what is refused, in one line

Needs tyro and rich: pip install 'fnnets[cli]'. Neither is imported before a command runs.
"""

from fnnets.command.entry import main

__all__ = ["main"]
