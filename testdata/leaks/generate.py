"""Statements out of a small grammar, seeded: protected columns at every place where an expression may stand.

They are for the twins: what matters is not whether one is refused, but whether both databases answer alike. Rows are
ordered by unprotected keys, so that what is left of a difference is a leak.
"""

import random

PATIENTS = ("id", "state", "sex", "height_cm", "department_id", "insured")
SECRETS = ("ssn", "mrn", "full_name", "dob", "phone", "email", "address", "city", "zip", "mbi", "account_no", "notes")
TEXTS = ("ssn", "mrn", "full_name", "phone", "email", "address", "city", "notes")
# Values in neither twin, for lookups by equality: those are declared to answer.
LITERALS = ("'95'", "'M'", "'x'", "'900-00-0000'", "'MRN5'", "''", "'A%'", "1", "0", "'1950-01-01'", "NULL")
COMPARE = ("=", "<>", "<", ">", "<=", ">=")


class Grammar:
    """One engine's statements from one seed."""

    def __init__(self, engine, seed):
        self.random, self.postgres = random.Random(f"{engine}/{seed}"), engine == "postgres"

    def one(self, *choices):
        """One of the choices: a text, or a function that makes one."""
        chosen = self.random.choice(choices)
        return chosen() if callable(chosen) else chosen

    def text(self, alias):
        """A protected or unprotected column as text."""
        column = self.one(*TEXTS, *TEXTS, "state")
        return f"{alias}.{column}"

    def as_text(self, value):
        """A cast that both engines have."""
        return f"CAST({value} AS {'text' if self.postgres else 'char'})"

    def value(self, alias, depth=2):
        """An expression over one patient."""
        secret = f"{alias}.{self.one(*SECRETS)}"
        if depth == 0:
            return self.one(secret, secret, f"{alias}.{self.one(*PATIENTS)}", self.one(*LITERALS[:6]))
        text, less = self.text(alias), depth - 1
        choices = [
            secret, secret, f"{alias}.{self.one(*PATIENTS)}",
            f"upper({text})", f"lower({text})", f"length({text})", f"substring({text}, 1, {self.random.randint(1, 6)})",
            f"concat({text}, {self.text(alias)})", f"coalesce({text}, 'x')", f"nullif({text}, 'x')", f"replace({text}, '-', '')",
            f"CASE WHEN {self.predicate(alias, less)} THEN {text} ELSE 'n' END",
            f"CASE WHEN {self.predicate(alias, less)} THEN 1 ELSE 0 END",
            f"({self.query_scalar(alias, less)})", self.as_text(secret), f"md5({text})", f"ascii({text})",
            f"greatest({text}, 'M')", f"({alias}.account_no + 1)", f"reverse({text})", f"EXISTS ({self.query_exists(alias, less)})",
            f"({self.predicate(alias, less)})", f"{alias}.id % 7",
        ]
        if self.postgres:
            choices += [
                f"{text} || 'x'", f"({alias}.contact -> 'kin' ->> 'name')", f"to_jsonb({alias}) ->> 'ssn'", f"array_length({alias}.aliases, 1)",
                f"extract(year FROM {alias}.dob)", f"({alias}.dob + 1)", f"{text}::varchar(3)", f"split_part({text}, '-', 1)",
                f"(ARRAY[{text}])[1]", f"({alias}).{self.one(*SECRETS)}", f"{alias}::text", f"row({text}, 1)::text", f"{alias}.last_ip IS NULL",
                f"encode({alias}.photo, 'hex')", f"cast({text} as integer)", f"regexp_replace({text}, '[0-9]', '#', 'g')",
                f"1 / nullif(length({text}) - {self.random.randint(8, 14)}, 0)", f"hashtext({text}) % 2",
            ]
        else:
            choices += [
                f"JSON_VALUE({alias}.contact, '$.kin.name')", f"IF({self.predicate(alias, less)}, 1, 2)", f"YEAR({alias}.dob)", f"HEX({text})",
                f"{text} + 0", f"SUBSTRING_INDEX({text}, '-', 1)", f"CRC32({text}) % 2", f"CAST({text} AS SIGNED)", f"INSTR({text}, '5')",
                f"{text} LIKE '9%'", f"{alias}.account_no DIV 1000", f"DATE_FORMAT({alias}.dob, '%m')", f"IFNULL({text}, 'x')", f"BIT_COUNT({alias}.account_no)",
            ]
        return self.one(*choices)

    def predicate(self, alias, depth=2):
        """A condition over one patient."""
        secret, less = f"{alias}.{self.one(*SECRETS)}", max(depth - 1, 0)
        text = self.text(alias)
        plain = (
            f"{alias}.id < {self.random.randint(2, 60)}", f"{alias}.state = 'TX'", f"{alias}.sex = 'f'", f"{alias}.height_cm > 170",
            f"{alias}.department_id IN (1, 2, 3)",
        )
        if depth == 0:
            return self.one(*plain, f"{text} = '900-00-0000'", f"{text} > 'M'", f"{secret} IS NULL")
        return self.one(
            *plain * 6, f"{text} = '900-00-0000'", f"{text} {self.one(*COMPARE)} {self.one(*LITERALS[:6])}", f"{text} LIKE '%{self.random.randint(0, 9)}%'",
            f"{secret} IS NOT NULL", f"{text} BETWEEN '9' AND 'N'", f"{text} IN ('x', 'y')", f"{text} IN (SELECT code FROM analytics.icd10)",
            lambda: f"({self.predicate(alias, less)} AND {self.predicate(alias, less)})",
            lambda: f"({self.predicate(alias, less)} OR {self.predicate(alias, less)})",
            lambda: f"NOT ({self.predicate(alias, less)})",
            lambda: f"{self.value(alias, less)} IS NULL",
            lambda: f"{self.as_text(self.value(alias, less))} > 'C'",
            lambda: f"EXISTS ({self.query_exists(alias, less)})",
            lambda: f"{alias}.id IN (SELECT q.id FROM patients q WHERE {self.predicate('q', less)})",
            lambda: f"{alias}.id = ({self.query_scalar(alias, less, 'q.id')})",
        )

    def query_scalar(self, alias, depth, item=None):
        """A subquery of one value, correlated."""
        return f"SELECT {item or self.value('q', depth)} FROM patients q WHERE q.id = {alias}.id" + self.one("", f" AND {self.predicate('q', 0)}")

    def query_exists(self, alias, depth):
        """A subquery for EXISTS."""
        return self.one(
            f"SELECT 1 FROM encounters e WHERE e.patient_id = {alias}.id AND e.cost > 5000",
            f"SELECT 1 FROM encounters e WHERE e.patient_id = {alias}.id AND e.notes LIKE '%SSN%'",
            f"SELECT 1 FROM patients q WHERE q.department_id = {alias}.department_id AND {self.predicate('q', depth)}",
            f"SELECT 1 FROM pv WHERE pv.id = {alias}.id AND pv.zip > '95'",
            f"SELECT 1 FROM providers v WHERE v.full_name = {alias}.full_name",
        )

    def statement(self):
        """One statement."""
        return self.one(
            self.plain, self.plain, self.plain, self.plain, self.aggregate, self.aggregate, self.union, self.derived, self.cte, self.joined,
            self.windowed, self.over_unprotected, self.write, self.probe,
        )

    def plain(self):
        """SELECT of expressions."""
        items = ", ".join(self.value("p") for _ in range(self.random.randint(1, 3)))
        distinct = self.one("", "", "", "DISTINCT ")
        order = " ORDER BY " + ("1" if distinct and self.random.random() < 0.5 else self.one("p.id", "p.id", "p.id", "p.ssn, p.id", "p.full_name DESC", "p.state, p.id"))
        limit = self.one("", "", f" LIMIT {self.random.randint(1, 20)}", f" LIMIT 5 OFFSET {self.random.randint(1, 9)}")
        return f"SELECT {distinct}{'p.id, ' if distinct else ''}{items} FROM patients p WHERE p.id < {self.random.randint(5, 60)} AND {self.predicate('p')}{order}{limit}"

    def aggregate(self):
        """GROUP BY and its functions."""
        function = self.one("count", "min", "max", "count(DISTINCT {})", "sum(length({}))", "max(length({}))")
        inner = self.as_text(self.value("p", 1))
        call = function.format(inner) if "{" in function else f"{function}({inner})"
        group = self.one("", "", " GROUP BY p.state", " GROUP BY p.sex, p.insured", f" GROUP BY {self.value('p', 1)}", " GROUP BY p.department_id")
        having = self.one("", "", f" HAVING {self.one('count(*) > 2', 'min(p.ssn) < ' + self.one(*LITERALS[:3]), 'max(p.full_name) IS NOT NULL')}") if group else ""
        keys = group.removeprefix(" GROUP BY ") + ", " if group and self.random.random() < 0.5 else ""
        # Both keys where there are two: ties of an enum come in the order of its labels' OIDs, which is each database's own.
        order = (" ORDER BY 1, 2" if keys.startswith("p.sex, ") else " ORDER BY 1") if group else ""
        return f"SELECT {keys}{call} FROM patients p WHERE {self.predicate('p', 1)}{group}{having}{order}"

    def union(self):
        """Set operations."""
        kind = self.one("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
        left = self.one("SELECT name FROM analytics.departments", f"SELECT {self.as_text(self.value('p', 1))} FROM patients p WHERE {self.predicate('p', 1)}")
        right = f"SELECT {self.as_text(self.value('q', 1))} FROM patients q WHERE q.id < 20 AND {self.predicate('q', 1)}"
        return f"({left}) {kind} ({right}) ORDER BY 1"

    def derived(self):
        """A derived table with names that say something else."""
        inner = f"SELECT p.id AS k, {self.value('p')} AS state, {self.value('p', 1)} AS zip FROM patients p WHERE p.id < 40 AND {self.predicate('p', 1)}"
        outer = self.one("d.k, d.state", "d.zip", "count(*)", "max(d.k)", "d.*")
        order = "" if "(" in outer else " ORDER BY d.k"
        return f"SELECT {outer} FROM ({inner}) d WHERE {self.one('1 = 1', 'd.k > 3', 'd.state IS NOT NULL', 'd.zip IS NULL')}{order}"

    def cte(self):
        """A common table expression used twice."""
        return (
            f"WITH c (k, a) AS (SELECT p.id, {self.value('p')} FROM patients p WHERE p.id < 30 AND {self.predicate('p', 1)}) "
            f"SELECT {self.one('c.k', 'c.a', 'count(*) + min(c.k)', 'x.a')} FROM c JOIN c x ON {self.one('x.k = c.k', 'x.a = c.a', 'x.k = c.k + 1')}"
            f"{self.one(' ORDER BY 1', '')}"
        )

    def joined(self):
        """Joins on and beside protected columns."""
        on = self.one("e.patient_id = p.id", "e.patient_id = p.id AND e.notes > 'M'", "e.patient_id = p.id AND p.ssn > '95'", "e.id = length(p.full_name)")
        kind = self.one("JOIN", "LEFT JOIN", "RIGHT JOIN")
        return (
            f"SELECT e.id, p.id, {self.one('e.icd10', 'e.notes', 'upper(e.notes)', self.value('p', 1))} FROM patients p {kind} encounters e ON {on} "
            f"WHERE {self.predicate('p', 1)} AND e.id < 60 ORDER BY 1, 2"
        )

    def windowed(self):
        """Window functions."""
        function = self.one("row_number()", "rank()", f"lag({self.value('p', 1)})", f"max({self.as_text(self.value('p', 1))})", "count(*)", "ntile(4)")
        over = self.one("ORDER BY p.id", "PARTITION BY p.state ORDER BY p.id", "ORDER BY p.ssn, p.id", "PARTITION BY p.city ORDER BY p.id", f"ORDER BY {self.value('p', 1)}, p.id")
        return f"SELECT p.id, {function} OVER ({over}) FROM patients p WHERE p.id < 30 ORDER BY p.id"

    def over_unprotected(self):
        """Unprotected rows chosen, ordered or counted by protected ones."""
        hidden = f"(SELECT {self.value('p', 1)} FROM patients p WHERE p.id = d.id)"
        return self.one(
            f"SELECT d.name FROM analytics.departments d WHERE {self.as_text(hidden)} > 'M' ORDER BY d.id",
            f"SELECT d.name FROM analytics.departments d ORDER BY {hidden}, d.id",
            f"SELECT d.id, {hidden} FROM analytics.departments d ORDER BY d.id",
            f"SELECT d.name FROM analytics.departments d WHERE d.id IN (SELECT p.id FROM patients p WHERE {self.predicate('p')}) ORDER BY d.id",
            f"SELECT count(*) FROM analytics.bed_census c WHERE c.occupied < (SELECT length(p.full_name) FROM patients p WHERE p.id = {self.random.randint(1, 30)})",
            f"SELECT d.name FROM analytics.departments d LEFT JOIN patients p ON p.id = d.id AND {self.predicate('p')} WHERE p.id IS NULL ORDER BY d.id",
        )

    def write(self):
        """Writes that would show something in their count or their error; none matches a row it could change."""
        return self.one(
            f"UPDATE analytics.scratch SET amount = 1 WHERE id = -1 AND EXISTS (SELECT 1 FROM patients p WHERE {self.predicate('p', 1)})",
            f"DELETE FROM analytics.scratch WHERE id = -1 AND label = (SELECT {self.as_text(self.value('p', 1))} FROM patients p WHERE p.id = 1)",
            f"UPDATE analytics.scratch SET label = (SELECT {self.as_text(self.value('p', 1))} FROM patients p WHERE p.id = 1) WHERE id = -1",
            f"UPDATE medications SET drug = drug WHERE id < 0 AND patient_id IN (SELECT p.id FROM patients p WHERE {self.predicate('p', 1)})",
            f"INSERT INTO analytics.departments SELECT 1, 'CARD', 'x', {self.one('1', 'length(p.full_name)')} FROM patients p WHERE p.id = 1 AND {self.predicate('p', 1)}",
        )

    def probe(self):
        """Errors that depend on a value."""
        number = self.random.randint(1, 40)
        choices = [
            f"SELECT (SELECT q.id FROM patients q WHERE q.id < 9 AND {self.predicate('q', 1)})",
            f"SELECT p.id FROM patients p WHERE p.id = {number} AND 1 = (CASE WHEN {self.predicate('p', 1)} THEN (SELECT 1 UNION SELECT 2) ELSE 1 END)",
            f"SELECT {self.as_text('1')} FROM patients p WHERE p.id = {number} AND {self.value('p', 1)} IS NOT NULL",
        ]
        if self.postgres:
            choices += [
                f"SELECT 1 / (CASE WHEN {self.predicate('p', 1)} THEN 0 ELSE 1 END) FROM patients p WHERE p.id = {number}",
                f"SELECT cast({self.text('p')} AS {self.one('integer', 'date', 'uuid', 'boolean', 'jsonb')}) FROM patients p WHERE p.id = {number}",
                f"SELECT generate_series(1, length({self.text('p')})) FROM patients p WHERE p.id = {number}",
                f"SELECT p.id FROM patients p ORDER BY p.id LIMIT (SELECT length({self.text('q')}) FROM patients q WHERE q.id = {number})",
                f"EXPLAIN (COSTS {self.one('on', 'off')}) SELECT p.id FROM patients p WHERE {self.predicate('p', 1)}",
            ]
        else:
            choices += [
                f"SELECT EXP(IF({self.predicate('p', 1)}, 9999, 1)) FROM patients p WHERE p.id = {number}",
                f"SELECT UPDATEXML(1, CONCAT('~', {self.text('p')}), 1) FROM patients p WHERE p.id = {number}",
                f"EXPLAIN SELECT p.id FROM patients p WHERE {self.predicate('p', 1)}",
            ]
        return self.one(*choices)


def statements(engine, count, seed=1):
    """`count` statements, the same for the same seed."""
    grammar = Grammar(engine, seed)
    return [grammar.statement() for _ in range(count)]
