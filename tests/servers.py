"""Real servers for tests: started on a free loopback port, stopped afterwards."""

import contextlib
import shutil
import socket
import subprocess
import time

import pytest

from tsprune.streaming.run.journal import Progress


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary(name, package):
    """Return the path of a server, or skip: it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"the server {name} is not installed; Debian's package {package} has it")
    return found


@contextlib.contextmanager
def started(command, port, *, patience=30.0):
    """Run a server until the block ends; it is ready once its port answers."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + patience
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
                break
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(timeout=20)


def take(source, progress, *, commit_every=3, most=None, crash=False):
    """Do with a source what a run does; return the texts taken. With `crash`, the last commit is not acknowledged."""
    taken = []
    committed = Progress(offset=progress.offset, cursor=progress.cursor)
    for line in source.lines(progress):
        if line is not None:
            taken.append(line.text)
            progress.lines += 1
            progress.offset, progress.cursor = line.offset, line.cursor
        if line is None or len(taken) % commit_every == 0:
            progress.fingerprint = source.fingerprint(progress.offset)
            if crash and most is not None and len(taken) >= most:
                return taken
            committed.cursor = progress.cursor
            source.acknowledge(progress)
        if most is not None and len(taken) >= most:
            break
    else:
        progress.fingerprint = source.fingerprint(progress.offset)
        source.acknowledge(progress)
    return taken
