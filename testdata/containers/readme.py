"""The commands of compose/README.md as one script: each block in turn, in one shell, its output kept apart.

Between the blocks the page says in comments what a person does (`<!-- in the browser: … -->`); there the test does it.
"""

import re
from pathlib import Path

PART = re.compile(r"^```sh\n(?P<block>.*?)^```$|^<!-- (?P<step>.*?) -->$", re.M | re.S)


class Block:
    """Some commands of the page, and where their output goes."""

    def __init__(self, number, text, folder):
        self.text = text
        self.out, self.err = folder / f"{number:02}.out", folder / f"{number:02}.err"

    def printed(self):
        """What the commands wrote to standard output."""
        return self.out.read_text(errors="replace") if self.out.exists() else ""


def parts(page):
    """("block", commands) and ("step", what a person does), in the page's order."""
    for found in PART.finditer(page):
        yield ("block", found["block"]) if found["block"] is not None else ("step", found["step"])


def script(page, folder, steps):
    """(a bash script, its blocks); `steps` has a command line for each thing that a person does."""
    folder = Path(folder)
    lines, blocks = ["set -euo pipefail", "exec 8>&1"], []
    for kind, text in parts(page):
        if kind == "step":
            lines += [f"echo '# {text}' >&8", f"{steps[text]} >&8 2>&1"]
            continue
        block = Block(len(blocks), text, folder)
        blocks.append(block)
        lines += [f"exec >{block.out} 2>{block.err}", *(f"echo {quoted(line)} >&8" for line in text.splitlines()), text]
    return "\n".join(lines) + "\n", blocks


def quoted(line):
    """A line of the page as one word of bash."""
    return "'  $ " + line.replace("'", "'\\''") + "'"
