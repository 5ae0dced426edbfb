"""Waiting for a condition with a deadline, so that no test sleeps and hopes."""

import threading
import time

_TICK_SECONDS = 0.01


def eventually(condition, what, deadline=20.0):
    """Returns the first true value of `condition`, or fails with `what` when `deadline` seconds have passed."""
    end = time.monotonic() + deadline
    tick = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline} s: {what() if callable(what) else what}")
        tick.wait(_TICK_SECONDS)
