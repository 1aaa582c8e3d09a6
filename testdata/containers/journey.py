"""What the page's commands printed, judged: masks where masks belong, the same tokens in both databases, people in the record."""

import sys

from fleet.demo import Checks
from fleet.paths import TESTDATA

sys.path.insert(0, str(TESTDATA))
from hospital.canaries import Sweep  # noqa: E402

__all__ = ["Checks", "judge"]
PATIENTS = 1000
IDENTIFIERS = {"mrn", "ssn", "phone", "email", "mbi"}


def judge(check, blocks):
    """One check for each promise of the page."""
    def printed(word):
        """The output of the block whose commands contain that word."""
        found = [block for block in blocks if word in block.text]
        assert len(found) == 1, f"{len(found)} blocks of the page contain {word!r}"
        return found[0].printed()

    report, visits, decided = printed("report.sql"), printed("cat notice.txt"), printed("approvals approve")
    record, package, analyst = printed("evidence sessions"), printed("evidence export"), printed("evidence views")
    everything = "".join(block.printed() for block in blocks)
    shown = Sweep(PATIENTS, kinds=IDENTIFIERS).find(everything)
    check("no identifier of a patient is anywhere in the page's output", not shown, str(shown)[:1000])
    names = Sweep(PATIENTS, kinds={"family"}).find(report.partition("Notes of")[0])
    check("nor a family name in the lists", not names, str(names)[:1000])
    psql, mysql, jdbc = listed(report)
    check("psql's list has three people, masked", len(psql) == 3 and all("***" in line for line in psql), report)
    check("MariaDB's has three", len(mysql) == 3 and all("***" in line for line in mysql), report)
    check("JDBC's is psql's", [cells(line) for line in jdbc] == [cells(line) for line in psql] != [], report)
    check("what is not protected is there", "Occupancy by department" in report and "average %" in report, report)
    check("the database itself refuses the masked role", "permission denied for table patients" in printed("SET ROLE"), printed("SET ROLE"))
    check("the held statement names its request", "waits for approval" in visits and "https://localhost:8443/approvals/apr-" in visits, visits)
    check("its rows arrived after the approval in the browser", "(3 rows)" in visits, visits)
    check("a terminal shows and approves another", "encounters" in decided and "visits" in decided, decided)
    check("the record names the agent", "repo:clinic/reports" in record or "ci@clinic.example" in record, record)
    check("and both people who agreed", "priya" in record and "omar" in record, record)
    check("evidence and the package's own script pass the package", package.count("FAIL") == 0 and package.count("PASS") > 10, package)
    check("DuckDB counts statements and rows", analyst.startswith("decision\tstatements\trows\n") and len(analyst.splitlines()) >= 2, analyst)
    verified = printed("docker compose restart")
    check("the store verifies after a restart", "PASS" in verified and "FAIL" not in verified, verified)


def listed(report):
    """The people that psql, MariaDB and JDBC listed, as lines."""
    head, _, rest = report.partition("\nmrn\t")
    psql = [line for line in head.partition("to be called")[2].partition("Notes of")[0].splitlines() if line.count("|") == 6][1:]
    mysql = [line for line in rest.splitlines() if line.count("\t") == 4]
    jdbc = [line for line in rest.splitlines() if line.count(" | ") == 6]
    return psql, mysql, jdbc


def cells(line):
    """The cells of a line, without what a client pads them with."""
    return [cell.strip() for cell in line.split("|")]
