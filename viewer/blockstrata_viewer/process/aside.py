"""Threads that nobody waits for when the program is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any


class Aside(ThreadPoolExecutor):
    """Runs each call in a thread of its own, which ends with the process if it has not ended before.

    An event loop, and then the interpreter, wait for the threads of its usual executor.  Ours may be waiting
    for a server's handshake, for the address of one, or for a file system that hangs, and most of these
    cannot be interrupted.  They own nothing that outlives the process: no file is written there, and qemu-img
    ends with us.  (A loop takes no executor that is not of this class.)
    """

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Begin a call; ``RuntimeError`` if there can be no thread more."""
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call(*args, **options)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        Thread(target=run, name="aside", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""
