"""The demo's people: a statement that waits for one of them, and an auditor who trusts nobody's binary."""

import os
import shutil
import subprocess
import time
import zipfile

from . import install
from .idp import client_token
from .process import Failed, free_port, wait_until

RULES = """# A statement that would show every visit to an agent, and not those of one patient or of one discharge time, waits until
# someone from the privacy office has agreed.

[[approve]]
name = "full patient history"
when = { tables = ["*.*.encounters"], verbs = ["select"], unfiltered = true, filter_by = ["*.*.encounters.discharged", "*.*.encounters.patient_id"], groups = ["ci-agents"] }
approvers = { groups = ["privacy-office"], count = 1 }
valid_for = "30m"
"""
HISTORY = "SELECT e.id, p.mrn, p.dob, e.icd10 FROM encounters e JOIN patients p ON p.id = e.patient_id ORDER BY e.id LIMIT 3"
WHY = "quarterly report to the registry, agreed with Dr. Whitfield"


def console(home):
    """Configuration lines of a console, and its address."""
    url = f"http://127.0.0.1:{free_port()}"
    secret = home / "console.secret"
    home.mkdir(parents=True, exist_ok=True)
    secret.write_text("affidavit-console-secret")
    secret.chmod(0o600)
    rules = home / "approvals.toml"
    rules.write_text(RULES)
    roles = 'approver = ["privacy-office"], auditor = ["privacy-office"], operator = ["affidavit-admins"], viewer = ["analysts"]'
    return url, rules, [
        "[approvals]", 'wait = "10m"', "", "[console]", f'address = "{url.removeprefix("http://")}"', f'public_url = "{url}"',
        'client_id = "affidavit-console"', f'client_secret = {{ file = "{secret}" }}', f"roles = {{ {roles} }}", "",
    ]


class Desk:
    """`affidavit approvals`, by whoever's token."""

    def __init__(self, proxy, url):
        self.proxy, self.url = proxy, url

    def __call__(self, token, *args):
        environment = os.environ | {"AFFIDAVIT_CONSOLE": self.url, "AFFIDAVIT_TOKEN": token}
        line = [self.proxy.bin / "affidavit", "approvals", *args]
        return subprocess.run(line, env=environment, capture_output=True, text=True)

    def pending(self, token):
        """The ids that wait."""
        lines = self(token, "list").stdout.splitlines()
        return [line.split()[0] for line in lines if line.startswith("apr-")]


def held(check, show, proxy, url, fleet, token, clients):
    """On each engine: the statement waits, its author may not agree, a second person does, the rows arrive."""
    title, indent = show
    desk, priya = Desk(proxy, url), client_token(fleet["servers"]["idp"], "priya-terminal")
    title("4. A risky statement waits on its own connection until a second person agrees")
    indent(RULES.partition("\n\n")[2])
    ids = []
    for engine, line, environment in clients:
        before = desk.pending(priya)
        print(f"  The agent asks {engine} for everybody's visits; its client only sees a query that takes long:")
        child = subprocess.Popen(line, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda before=before: set(desk.pending(priya)) - set(before), entry=proxy.entry, what=f"a held statement ({engine})", patience=20)
        except Failed:
            child.kill()
            check(f"{engine} holds the statement", False, "".join(child.communicate()))
            continue
        (number,) = set(desk.pending(priya)) - set(before)
        ids.append(number)
        if not ids[1:]:
            print("  The agent tries to agree with itself:")
            own = desk(token, "approve", number, "-m", "I know what I do")
            indent(own.stderr)
            check("nobody approves their own statement", own.returncode == 1 and "own statement" in own.stderr, own.stdout + own.stderr)
            print("  Priya Raman of the privacy office looks at it, and agrees with a reason that is kept:")
            indent(desk(priya, "show", number).stdout, 24)
        time.sleep(0.3)
        check(f"{engine}: the connection still waits", child.poll() is None, "".join(child.communicate()) if child.poll() is not None else "")
        agreed = desk(priya, "approve", number, "-m", WHY)
        indent(agreed.stdout + agreed.stderr, 3)
        check(f"{engine}: a second person agrees, by the command line", agreed.returncode == 0, agreed.stderr)
        out, err = child.communicate(timeout=60)
        indent(err + out)
        check(f"{engine}: the rows arrive on the held connection, masked", child.returncode == 0 and len(out.splitlines()) >= 3, f"exit {child.returncode}: {out}{err}")
    recorded = proxy.evidence("approvals", "--config", proxy.config, "--csv", check=False)
    print("  What the record says of it (evidence approvals):")
    events = [r for r in proxy.records("approvals") if r["approval_id"] in ids]
    indent("\n".join(f"{r['ts'][11:19]}  {r['approval_id']}  {r['event']:<10} {(r['approver'] or r['requester']).rpartition('|')[2]:<42} {r['justification'] or ''}" for r in events))
    for number in ids:
        steps = [(r["event"], r["justification"]) for r in events if r["approval_id"] == number]
        complete = [step for step, _ in steps] == ["requested", "approved", "used"] and WHY in [why for _, why in steps]
        check(f"{number} stands in the record: asked, agreed with the reason, used", complete, f"{steps}\n{recorded.stderr}")


def package(check, show, proxy):
    """An exported package, verified by our binary and by the script that lies inside of it."""
    title, indent = show
    title("7. A package for an auditor: verified by `evidence verify`, and by the package's own script that shares no code with it")
    out, folder = proxy.home / "package.zip", proxy.home / "package"
    out.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    exported = proxy.evidence("export", "--config", proxy.config, "--from", "1d", "--out", out, check=False)
    indent(exported.stdout + exported.stderr, 6)
    if not check("evidence export writes a package", exported.returncode == 0 and out.exists(), exported.stderr):
        return
    ours = proxy.verify(out)
    indent("\n".join(ours.stdout.splitlines()[-3:]))
    check("evidence verify passes", ours.returncode == 0, ours.stdout[-3000:] + ours.stderr)
    with zipfile.ZipFile(out) as archive:
        scripts = [name for name in archive.namelist() if name.endswith("tools/verify.py")]
        if not check("the package brings its own tools/verify.py", len(scripts) == 1, str(archive.namelist()[:40])):
            return
        script = archive.extract(scripts[0], folder)
    theirs = subprocess.run([install.python(), script, out, "--key", proxy.vkey], capture_output=True, text=True)
    indent("\n".join(theirs.stdout.splitlines()[-3:]) + theirs.stderr)
    check("so does the script, by its own code", theirs.returncode == 0, theirs.stdout[-3000:] + theirs.stderr)
