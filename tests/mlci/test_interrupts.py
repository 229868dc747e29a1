"""Waiting for signals: none is slept through."""

from __future__ import annotations

import queue
import subprocess
import sys
import time

import pytest

from mlci.interrupts import Interrupts, next_interrupt

#: A signal is blocked for this thread alone and sent to the process, so that another thread takes it: the handler is
#: due in the main thread, which waits and is not woken by it.
_PROGRAM = """\
import os, queue, signal, threading, time
from mlci.interrupts import next_interrupt

heard = queue.SimpleQueue()
signal.signal(signal.SIGTERM, lambda number, frame: heard.put("SIGTERM"))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
print(next_interrupt(heard, 20), flush=True)
os._exit(0)
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_heard() -> None:
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("SIGTERM\n", "")
    assert time.monotonic() - began < 15


def test_the_end_of_the_time_is_told() -> None:
    interrupts: Interrupts = queue.SimpleQueue()
    with pytest.raises(queue.Empty):
        next_interrupt(interrupts, 0.01)
    interrupts.put("stop")
    assert next_interrupt(interrupts, 0) == "stop"
