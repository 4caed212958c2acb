"""The command line: `fnnets verify TARGET`, `mutate FAMILY`, `selftest`, `statements`; `python -m fnnets` alike.

    entry     the choice of a command, exit statuses
    verify    options and work of `fnnets verify`; mutate, selftest, statements: of the commands of these names
    loading   the thing that TARGET names; subjects: the check for it; generic: numbers in general position
    parsing   the command line as a dataclass, or one line on what is wrong with it
    files     files that are written, usage errors; cache: what JAX has compiled, kept for the next run

Needs tyro and rich: pip install 'fnnets[cli]'. Neither is imported before a command runs.
"""

from fnnets.command.entry import main

__all__ = ["main"]
