"""Ctrl-C in the middle of training."""

import os
import signal


class Interrupting:
    """Standard error that presses Ctrl-C when the second epoch is reported."""

    def isatty(self):
        return False

    def write(self, text):
        if "epoch 2 " in text:
            os.kill(os.getpid(), signal.SIGINT)

    def flush(self):
        pass
