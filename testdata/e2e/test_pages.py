"""The pages that show by example do what they say. PAGES=write puts what was answered into the page, to be read and shortened."""

import os
import sys
from pathlib import Path

import pytest
from desk import Desk, held_by, until
from pages import File, Shell, steps

from fleet.needs import postgres
from fleet.paths import ROOT

PAGES = ["policies/MASKING.md", "proxy/APPROVALS.md", "evidence/REPLAY.md", "evidence/VERIFYING.md"]
# What a page's reader has before its first line: a policy that protects nothing.
NOTHING = '[[mask]]\nname = "nothing yet"\ncolumns = ["*.*.no_such_table.*"]\nwith = "redact"\n'


def environment(proxy, mint, console):
    """What pages say to set, and tools of that name in the path."""
    bin = proxy.home / "bin"
    bin.mkdir()
    for tool in (proxy.bin / "affidavit", proxy.bin / "evidence", Path(postgres("psql"))):
        (bin / tool.name).symlink_to(tool)
    tokens = {
        "agent": mint.token(), "ana": mint.token(sub="ana", email="ana@clinic.example", groups=["analysts"]),
        "dr-chen": mint.token(sub="dr-chen", email="chen@clinic.example", groups=["treating-clinicians"]), "priya": console.token(),
    }
    for name, token in tokens.items():
        (proxy.home / f"{name}.token").write_text(token)
    return {
        "PATH": f"{bin}:{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(proxy.home), "LC_ALL": "C.UTF-8", "PAGER": "cat", "PSQLRC": "/dev/null",
        "PGHOST": "127.0.0.1", "PGPORT": str(proxy.ports["postgres15"]), "PGUSER": "me", "PGDATABASE": "hospital", "PGPASSWORD": tokens["agent"],
        "PGSSLMODE": "disable", "AFFIDAVIT_CONSOLE": console.url, "SSL_CERT_FILE": str(proxy.ca_file),
    }


def versions(proxy):
    """How many policies have come into force."""
    return proxy.log.read_text(errors="replace").count("policy in force")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page, fresh_proxy, mint, tmp_path):
    held = held_by(tmp_path / "proxy0", wait="60s")
    proxy = fresh_proxy(**held | {"rules": []}, start=False)
    (proxy.policies / "00-start.toml").write_text(NOTHING)
    proxy.start()
    console = Desk(proxy, mint)
    shell = Shell(proxy.home, environment(proxy, mint, console))
    text, wrong = (ROOT / page).read_text(), []
    seen = at = 0
    try:
        for step in steps(text):
            if isinstance(step, File):
                before = versions(proxy)
                (proxy.home / step.path).write_text(step.text)
                if not step.path.startswith("policies/"):
                    continue
                until(lambda before=before: versions(proxy) > before, f"policy of {step.path}\n{proxy.log.read_text()[-1500:]}", 30)
                continue
            seen += 1
            said = shell.run(step.text)
            if os.environ.get("PAGES") == "write":
                old = "\n".join([*step.lines, *step.answer])
                new = "\n".join([*step.lines, said]).rstrip("\n") + "\n"
                text = text[:at] + text[at:].replace(old + "\n", new, 1)
                at = text.index(new, at) + len(new)
            elif not step.fits(said):
                wrong.append(f"$ {step.text}\n--- the page says\n" + "\n".join(step.answer) + f"\n--- it answers\n{said}")
    finally:
        shell.close()
    if os.environ.get("PAGES") == "write":
        (ROOT / page).write_text(text)
    assert proxy.stop() == 0
    assert seen >= 5, "a page by example has commands"
    assert not wrong, "\n\n".join(wrong)
