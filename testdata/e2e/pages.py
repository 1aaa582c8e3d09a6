"""Pages that show by example: their commands run in one shell, in order, and have to answer what the page says.

A block of ```console holds lines that begin with `$ ` (commands; one that ends in a backslash goes on, and so does a here-document in lines that begin with `> `) and what they answer.
`…` within a line of an answer stands for anything, as a line of its own for any lines. A block of ```toml whose first line is
a comment that names a file, `# policies/10-names.toml`, is written to that file.
"""

import re
import secrets
import select
import subprocess
import time
from dataclasses import dataclass, field

BLOCK = re.compile(r"^```(console|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Command:
    """One command of a page, and what it is to answer."""

    text: str
    lines: list = field(default_factory=list)  # as they stand on the page
    answer: list = field(default_factory=list)

    def fits(self, said):
        """Whether that is what the page says."""
        lines = [".*?(?:\n|$)" if line == "…" else re.escape(line).replace("…", ".*?") + "(?:\n|$)" for line in self.answer]
        lines = [f"(?:{line})*?" if wanted == "…" else line for line, wanted in zip(lines, self.answer, strict=True)]
        return re.fullmatch("".join(lines), said) is not None


@dataclass
class File:
    """A file that the page has its reader write."""

    path: str
    text: str


def steps(page):
    """The commands and files of a page, in order."""
    for kind, body in BLOCK.findall(page):
        if kind == "toml":
            if named := re.match(r"# ([\w./-]+\.toml)\n", body):
                yield File(named[1], body)
            continue
        command = None
        for line in body.splitlines():
            if command is not None and command.text.endswith("\\") and not command.answer:
                command.text += "\n" + line
                command.lines.append(line)
            elif line.startswith("> ") and command is not None and "<<" in command.text and not command.answer:
                command.text += "\n" + line[2:]
                command.lines.append(line)
            elif line.startswith("$ "):
                if command is not None:
                    yield command
                command = Command(line[2:], [line])
            else:
                command.answer.append(line.rstrip())
        if command is not None:
            yield command


class Shell:
    """One bash, as a reader has it open."""

    def __init__(self, folder, environment):
        self.child = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def run(self, text, patience=60.0):
        """What the command says, without blanks at the ends of lines, and without empty lines at its end."""
        mark = f"end-{secrets.token_hex(8)}"
        self.child.stdin.write(f"{text}\necho {mark}\n".encode())
        self.child.stdin.flush()
        said, end = b"", time.monotonic() + patience
        while mark.encode() not in said:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0.0, end - time.monotonic()))
            piece = self.child.stdout.read1(1 << 16) if ready else b""
            assert piece, f"no end of {text!r} within {patience:.0f} s; so far: {said.decode(errors='replace')}"
            said += piece
        lines = said.decode().partition(mark)[0].splitlines()
        return "\n".join(line.rstrip() for line in lines).rstrip("\n")

    def close(self):
        """End it, and what it has in the background."""
        self.child.stdin.close()
        try:
            self.child.wait(20)
        finally:
            self.child.kill()
            self.child.stdout.close()
