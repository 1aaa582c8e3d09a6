"""What takes minutes says every few seconds what it is doing and how far it is: apt-get, cargo, and whatever else runs long.

On a terminal cargo draws its own bar; elsewhere (a log, CI, a pipe) a line now and then takes its place.
"""

import contextlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

from .process import Failed

EVERY = 5.0
# Cargo's bar as it writes it without a terminal: "   Building [====>   ] 120/310: arrow-array, parquet", ended by \r or \n.
BAR = re.compile(r"Building \[[=> ]*\] (\d+/\d+)(?:: (.*))?")


def say(message):
    """Progress, on stderr: stdout belongs to what was asked for."""
    print(f"fleet: {message}", file=sys.stderr, flush=True)


def minutes(seconds):
    """As people say it: 4:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Ticker:
    """Says the latest state every few seconds, with the time since the beginning, until it is over."""

    def __init__(self, what):
        self.what, self.state = what, ""
        self.begun = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True)

    def _tick(self):
        while not self.over.wait(EVERY):
            self.tell()

    def tell(self):
        """One line now."""
        print(f"{self.what}: {self.state + ', ' if self.state else ''}{minutes(time.monotonic() - self.begun)}", file=sys.stderr, flush=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def ticking(what):
    """For a step that cannot say how far it is: at least that it goes on."""
    with Ticker(what) as ticker:
        yield ticker


def apt_get(packages):
    """Update, then install, by what apt itself reports. A server package would start its server: a policy keeps it from that."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    guard = "/usr/sbin/policy-rc.d"
    guarded = not os.path.exists(guard)
    if guarded:
        with open(guard, "w") as out:
            out.write("#!/bin/sh\nexit 101\n")
        os.chmod(guard, 0o755)
    try:
        _apt(["update"], environment)
        say(f"apt-get install {' '.join(packages)}")
        _apt(["install", "-y", "--no-install-recommends", *packages], environment)
    finally:
        if guarded:
            os.unlink(guard)


def _apt(words, environment):
    """One apt-get; its status lines are "dlstatus:1:12.5:Retrieving file 3 of 24" and "pmstatus:gcc:40:Unpacking gcc"."""
    reader, writer = os.pipe()
    line = ["apt-get", "-q", "-o", f"APT::Status-Fd={writer}", "-o", "Dpkg::Use-Pty=0", *words]
    with tempfile.TemporaryFile() as output, ticking(f"apt-get {words[0]}") as ticker:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(writer,), env=environment)
        os.close(writer)
        with os.fdopen(reader, errors="replace") as states:
            for state in states:
                fields = state.rstrip("\n").split(":", 3)
                if len(fields) == 4:
                    with contextlib.suppress(ValueError):
                        ticker.state = f"{float(fields[2]):.0f} %, {fields[3]}"
        code = child.wait()
        if code != 0:
            output.seek(0)
            raise Failed(f"apt-get {' '.join(words)} failed (exit {code}):\n{output.read().decode(errors='replace').strip()[-3000:]}")


def cargo(arguments):
    """Run cargo and say how far it is; at the end how long it took, and how much of a processor. Its exit code."""
    begun = time.monotonic()
    if sys.stderr.isatty():
        code = subprocess.run(["cargo", *arguments], env=os.environ | {"CARGO_TERM_PROGRESS_WHEN": "auto"}).returncode
    else:
        code = _cargo_untended(arguments)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code == 0:
        print(f"cargo {arguments[0]}: done in {minutes(time.monotonic() - begun)}, {minutes(used.ru_utime + used.ru_stime)} of CPU", file=sys.stderr, flush=True)
    return code


def _cargo_untended(arguments):
    """Without a terminal: cargo's bar becomes a line every few seconds, its "Compiling" and "Checking" lines go, all else stays."""
    environment = os.environ | {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "200", "CARGO_TERM_COLOR": "never"}
    with ticking(f"cargo {arguments[0]}") as ticker:
        child = subprocess.Popen(["cargo", *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        pending = b""
        while piece := child.stderr.read1(65536):
            *lines, pending = re.split(rb"[\r\n]+", pending + piece)
            for line in (line.decode(errors="replace") for line in lines):
                bar = BAR.search(line)
                if bar:
                    ticker.state = f"{bar[1]} {bar[2] or ''}".rstrip()
                elif line.strip() and not re.match(r" +(Compiling|Checking|Executable|Downloaded|Downloading|Locking|Adding|Blocking|Updating|Finished) ", line):
                    print(line, file=sys.stderr, flush=True)
        if pending.strip():
            print(pending.decode(errors="replace"), file=sys.stderr, flush=True)
        return child.wait()


if __name__ == "__main__":
    try:
        sys.exit(cargo(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
