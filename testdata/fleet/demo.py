"""`make demo`: an agent's nightly report, what a DBA sees beside it, a person in the loop, the evidence, a store that was touched.

Real servers, the real proxy, the real identity provider. Everything shown is checked; the last line counts the checks.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

from . import demo_people, needs, second_lock
from .__main__ import describe, start
from .idp import client_token
from .paths import IS_ROOT, ROOT, SID, TESTDATA
from .proxy import Proxy
from .state import locked

HOME = ROOT / ".demo"
PATIENTS = 1000
REPORT = """
\\echo 'Occupancy by department, June 2024'
SELECT name, round(avg(percent), 1) AS "average %", max(occupied) AS peak
FROM analytics.occupancy WHERE day BETWEEN '2024-06-01' AND '2024-06-30' GROUP BY name ORDER BY 2 DESC LIMIT 4;
\\echo 'Discharged yesterday before lunch, to be called'
SELECT p.mrn, p.full_name, p.dob, p.ssn, p.phone, p.zip, e.icd10
FROM patients p JOIN encounters e ON e.patient_id = p.id
WHERE e.discharged = '2025-06-30 11:30' ORDER BY e.id LIMIT 5;
\\echo 'Notes of these visits'
SELECT n.id, n.body FROM clinical_notes n WHERE n.id BETWEEN 3 AND 5 ORDER BY n.id;
"""
BOLD, DIM, GREEN, RED, PLAIN = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


class Checks:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, held, detail=""):
        """Say whether `what` held; on failure show why."""
        if held:
            self.passed += 1
            print(f"  {GREEN}ok{PLAIN}    {what}")
        else:
            self.failed += 1
            print(f"  {RED}FAILED{PLAIN} {what}\n{detail}")
        return held


def title(text):
    """A heading."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def psql(port, user, password, script, *flags):
    """Run a script by psql."""
    environment = os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": user, "PGPASSWORD": password, "PGDATABASE": "hospital",
        "PGAPPNAME": "nightly-report", "PAGER": "", "PGCONNECT_TIMEOUT": "20",
    }
    return subprocess.run([needs.postgres("psql"), "-X", "-q", *flags, "-f", "-"], input=script, env=environment, capture_output=True, text=True)


def indent(text, limit=None):
    """Output of a program, set off; long output is cut and says so."""
    lines = text.rstrip("\n").splitlines()
    for line in lines[:limit]:
        print(f"  {DIM}|{PLAIN} {line[:170]}")
    if limit and len(lines) > limit:
        print(f"  {DIM}| … {len(lines) - limit} more lines{PLAIN}")


def servers(names):
    """Start what the demo needs; its description, and whether it was us who started each."""
    with locked() as state:
        before = set(describe(state)["servers"])
        start(names, state.data.setdefault("patients", PATIENTS), state)
        return describe(state), [name for name in names if name not in before]


def report(check, proxy, fleet, token):
    """The agent's report beside the DBA's."""
    server = fleet["servers"]["postgres15"]
    title("1. A CI agent runs its nightly report through Affidavit: same psql, another port, its OIDC token as the password")
    agent = psql(proxy.ports["postgres15"], "nightly-report", token, REPORT)
    indent(agent.stdout + agent.stderr)
    title("   The same script, run by a DBA straight on the database")
    dba = psql(server["port"], "dba", server["users"]["dba"], REPORT)
    indent(dba.stdout + dba.stderr)
    check("both reports ran", agent.returncode == dba.returncode == 0 and not agent.stderr, agent.stderr + dba.stderr)
    check("what is not protected is identical", agent.stdout.split("Discharged")[0] == dba.stdout.split("Discharged")[0])
    sys.path.insert(0, str(TESTDATA))
    from hospital.canaries import Sweep

    sweep = Sweep(PATIENTS, kinds={"mrn", "ssn", "family", "phone", "email", "mbi"})
    shown = agent.stdout.split("Notes of")[0]
    check("the DBA's list holds identifiers of real cells", len(sweep.find(dba.stdout)) >= 5)
    check("the agent's list holds none, in no disguise", not sweep.find(shown), str(sweep.find(shown)))
    both = Sweep(PATIENTS, kinds={"mrn", "ssn", "phone", "email", "mbi"}).find(agent.stdout)
    check("the agent's notes hold no SSN, MRN, phone, e-mail or Medicare number", not both, str(both))


def both_engines(check, proxy, token):
    """One policy, two engines: the same MRN has the same token in both."""
    title("2. The same policy in front of MariaDB: one token domain, so that the two can be joined without being unmasked")
    query = "SELECT id, mrn, ssn, dob, full_name FROM patients WHERE id IN (4, 9, 16) ORDER BY id"
    left = psql(proxy.ports["postgres15"], "nightly-report", token, query + ";", "-A", "-t", "-F", "\t")
    right = subprocess.run(mariadb(proxy, query, "--batch", "--skip-column-names"), env=os.environ | {"MYSQL_PWD": token}, capture_output=True, text=True)
    for name, done in (("PostgreSQL", left), ("MariaDB", right)):
        print(f"  {name}")
        indent(done.stdout + done.stderr)
    check("both answer", left.returncode == right.returncode == 0, left.stderr + right.stderr)
    check("with the same tokens, years and constants", left.stdout.strip() == right.stdout.strip() != "")


def refusals(check, proxy, fleet, token):
    """What the agent may not do, and what it is told."""
    title("3. What is not allowed is refused, with words")
    port = proxy.ports["postgres15"]
    attempts = (
        ("a copy of protected data", token, "CREATE TABLE stolen AS SELECT * FROM patients;", 3),
        ("a DO block, which could do anything", token, "DO $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM patients LIMIT 1); END $$;", 3),
        ("a password instead of a token", fleet["servers"]["postgres15"]["users"]["affidavit"], "SELECT 1;", 2),
        ("a token that was tampered with", token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB"), "SELECT 1;", 2),
    )
    for what, secret, script, code in attempts:
        done = psql(port, "nightly-report", secret, script, "-v", "ON_ERROR_STOP=1")
        check(what, done.returncode == code and done.stderr.strip() != "", f"exit {done.returncode}: {done.stdout}{done.stderr}")
        indent(done.stderr, 4)
    # The second lock: straight at the database, as the role that whatever is not masked on the wire runs with.
    server, role = fleet["servers"]["postgres15"], f"{second_lock.ACCOUNT}_masked"
    locked = psql(server["port"], second_lock.ACCOUNT, server["users"][second_lock.ACCOUNT], f"SET ROLE {role}; SELECT ssn FROM patients LIMIT 1;")
    check("should Affidavit misread a statement, the database itself refuses it", "permission denied for table patients" in locked.stderr, locked.stdout + locked.stderr)
    indent(locked.stderr, 4)


def evidence(check, proxy):
    """The record of the session, and the proof that it is whole."""
    title("5. What compliance sees: evidence sessions, statements, show")
    sessions = proxy.evidence("sessions", "--config", proxy.config, check=False)
    indent(sessions.stdout + sessions.stderr, 14)
    check("the agent's session is on the record", "repo:clinic/reports" in sessions.stdout or "ci@clinic.example" in sessions.stdout)
    records = proxy.records("sessions")
    check("the refused logins are on the record too", sum(r["event"] == "denied" for r in records) == 2, str(records)[:2000])
    statements = proxy.records("statements")
    asked = [r for r in statements if "clinical_notes" in str(r.get("tables")) and r.get("row_count")]
    check("the statements over protected tables are, with the policy that judged it", bool(asked) and len(asked[0]["policy_version"]) == 64, str(statements)[:2000])
    if asked:
        shown = proxy.evidence("show", asked[0]["session_id"], "--config", proxy.config, check=False)
        indent(shown.stdout + shown.stderr, 30)
        check("evidence show repeats what the agent saw: the masks", "***" in shown.stdout, shown.stderr)
    title("6. The store is sealed and verified")
    check("the proxy ends in good order", proxy.stop() == 0, proxy.log.read_text()[-2000:])
    verified = proxy.verify()
    indent(verified.stdout + verified.stderr, 40)
    check("evidence verify passes", verified.returncode == 0, f"exit {verified.returncode}")
    demo_people.package(check, (title, indent), proxy)
    title("8. One bit of one file is flipped in a copy")
    copy = proxy.home / "tampered"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(proxy.store, copy)
    victims = sorted(copy.rglob("rows/**/*.parquet")) or sorted(copy.rglob("*.parquet"))
    if check("there is a sealed file to tamper with", bool(victims), str(list(copy.rglob("*")))[:2000]):
        data = bytearray(victims[0].read_bytes())
        data[len(data) // 2] ^= 1
        victims[0].write_bytes(data)
        print(f"  flipped one bit in the middle of {victims[0].relative_to(copy)}")
        tampered = proxy.verify(copy)
        said = tampered.stdout + tampered.stderr
        indent("\n".join(line for line in said.splitlines() if not line.startswith(("PASS", "NOT CHECKED"))), 12)
        check("evidence verify fails and names the file", tampered.returncode == 1 and victims[0].name in said, f"exit {tampered.returncode}")
    shutil.rmtree(copy, ignore_errors=True)


def held(check, proxy, fleet, token, url):
    """The same statement on both engines, each through its own command line."""
    postgres = [needs.postgres("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", demo_people.HISTORY]
    address = {"PGHOST": "127.0.0.1", "PGPORT": str(proxy.ports["postgres15"]), "PGUSER": "nightly-report", "PGPASSWORD": token, "PGDATABASE": "hospital", "PAGER": "", "PGOPTIONS": r"-c affidavit.reason=quarterly\ report -c affidavit.ticket=REG-7"}
    clients = [("PostgreSQL", postgres, address), ("MariaDB", mariadb(proxy, demo_people.HISTORY, "--table"), {"MYSQL_PWD": token})]
    demo_people.held(check, (title, indent), proxy, url, fleet, token, clients)


def mariadb(proxy, query, *flags):
    """The command line of the mariadb client."""
    return [
        needs.MARIADB, "--no-defaults", "--host=127.0.0.1", f"--port={proxy.ports['mariadb_tls']}", "--user=nightly-report",
        "--protocol=tcp", f"--ssl-ca={proxy.ca_file}", *flags, "hospital", "-e", query,
    ]


def stay(proxy, fleet, token, url):
    """Up again, with what to try."""
    proxy.start()
    server = fleet["servers"]["postgres15"]
    port = proxy.ports["postgres15"]
    secrets = proxy.home / "agent.token"
    secrets.write_text(token)
    secrets.chmod(0o600)
    relative = os.path.relpath(proxy.home)
    browser = fleet["servers"]["idp"]["kind"] != "small"
    title("Still up. Try it:")
    print(f"""  as the agent    PGPASSWORD=$(cat {relative}/agent.token) psql -h 127.0.0.1 -p {port} -U me hospital
                  MYSQL_PWD=$(cat {relative}/agent.token) mariadb -h 127.0.0.1 -P {proxy.ports['mariadb_tls']} --ssl-ca={os.path.relpath(proxy.ca_file)} -u me hospital
  as the DBA      PGPASSWORD={server['users']['dba']} psql -h 127.0.0.1 -p {server['port']} -U dba hospital
  the console     {url}        {"log in as priya or omar (decide, see recordings), ana (looks on) or root (ends sessions); the password is the name" if browser else "(this small issuer has no login page; use affidavit approvals)"}
                  hold something: psql … -c 'select count(*) from encounters', then decide in the browser; its recordings are there too
  the policy      $EDITOR {relative}/policies/hospital.toml        (takes effect within seconds, without a reconnect)
  the evidence    {os.path.relpath(proxy.bin / 'evidence')} sessions --config {os.path.relpath(proxy.config)}
  the store       {os.path.relpath(proxy.bin / 'evidence')} verify {os.path.relpath(proxy.store)} --key "$(cat {relative}/keys/log.vkey)"
  the log         {os.path.relpath(proxy.log)}
  Ctrl-C ends it.""", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="testdata/demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="exit when everything was shown")
    args = parser.parse_args()
    needs.have(*needs.SERVERS)
    title("Starting real servers: PostgreSQL, MariaDB and an OpenID provider")
    fleet, ours = servers(["idp", "postgres15", "mariadb"])
    versions = {name: server.get("version", "") for name, server in fleet["servers"].items()}
    print(f"  OpenID provider  {fleet['servers']['idp']['issuer']} ({fleet['servers']['idp']['kind']})")
    print(f"  PostgreSQL {versions['postgres15']:5} 127.0.0.1:{fleet['servers']['postgres15']['port']}, a synthetic hospital of {PATIENTS} patients")
    print(f"  MariaDB {versions['mariadb']:8} 127.0.0.1:{fleet['servers']['mariadb']['port']}, the same hospital")
    if not IS_ROOT and not (SID / ".complete").exists():
        print("  (PostgreSQL 18 and MySQL 9.7 need root for their chroot; the demo does without them.)")
    shutil.rmtree(HOME, ignore_errors=True)
    check = Checks()
    url, rules, lines = demo_people.console(HOME)
    proxy = Proxy(HOME, fleet, ["postgres15", "mariadb"], rules=[TESTDATA / "policies/hospital.toml", rules], extra={"lines": lines}, second_lock="required")
    validated = proxy.affidavit("check", "--config", proxy.config)
    check("affidavit check accepts the configuration", validated.returncode == 0, validated.stdout + validated.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        proxy.start()
        print(f"  Affidavit        127.0.0.1:{proxy.ports['postgres15']}, configuration {os.path.relpath(proxy.config)}")
        token = client_token(fleet["servers"]["idp"], "nightly-report")
        report(check, proxy, fleet, token)
        both_engines(check, proxy, token)
        refusals(check, proxy, fleet, token)
        held(check, proxy, fleet, token, url)
        evidence(check, proxy)
        if not args.once:
            stay(proxy, fleet, token, url)
        print(f"\ndemo: {check.passed} checks passed, {check.failed} failed", flush=True)
        while not args.once and proxy.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()
    finally:
        proxy.stop()
        if ours:
            subprocess.run([TESTDATA / "servers", "stop", *ours], check=False)
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
