"""`python3 -m hospital`: print the hospital as SQL for a database's own client, or the list of its canaries.

Streams, so a million patients need no memory: `python3 -m hospital sql --engine postgres --patients 1000000 | psql …`.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

from .canaries import canaries
from .tables import NULL, TABLES

HERE = Path(__file__).parent
POSTGRES_TEXT = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})  # COPY's text format
MYSQL_TEXT = str.maketrans({"\\": "\\\\", "'": "''"})
BATCH = 1000


def postgres(out, count, variant):
    """The schema, one COPY per table, then indexes and grants."""
    out.write((HERE / "schema-postgres.sql").read_text())
    for table, (schema, columns, generator) in TABLES.items():
        out.write(f"COPY {schema}.{table} ({', '.join(columns)}) FROM stdin;\n")
        alias = columns.index("aliases") if "aliases" in columns else None
        photo = columns.index("photo") if "photo" in columns else None
        rows = generator(count, variant)
        while chunk := list(islice(rows, BATCH)):
            lines = []
            for row in chunk:
                line = "\t".join(row)
                if "\\" in line or "\n" in line or line.count("\t") >= len(row):
                    row = [cell.translate(POSTGRES_TEXT) for cell in row]
                if alias is not None:
                    row = list(row)
                    row[alias] = row[alias] if row[alias] == NULL else f"{{{row[alias]},Doe}}"
                    row[photo] = row[photo] if row[photo] == NULL else "\\\\x" + row[photo]
                lines.append("\t".join(row))
            out.write("\n".join(lines).replace(NULL, "\\N") + "\n")
        out.write("\\.\n")
    out.write((HERE / "after-postgres.sql").read_text())


def mysql(out, count, variant):
    """The schema, then INSERTs of a thousand rows in transactions of a table."""
    out.write("SET NAMES utf8mb4; SET SESSION sql_mode = 'STRICT_ALL_TABLES'; SET SESSION time_zone = '+00:00';\n")
    out.write((HERE / "schema-mysql.sql").read_text())
    out.write("SET unique_checks = 0; SET autocommit = 0;\n")
    for table, (schema, columns, generator) in TABLES.items():
        target = table if schema == "public" else f"{schema}.{table}"
        alias = columns.index("aliases") if "aliases" in columns else None
        photo = columns.index("photo") if "photo" in columns else None
        rows = generator(count, variant)
        while chunk := list(islice(rows, BATCH)):
            lines = []
            for row in chunk:
                row = [cell.translate(MYSQL_TEXT) for cell in row]
                if alias is not None:
                    row[alias] = row[alias] if row[alias] == NULL else f'["{row[alias]}", "Doe"]'
                line = "('" + "','".join(row) + "')"
                if photo is not None and row[photo] != NULL:
                    line = line.replace(f"'{row[photo]}'", "0x" + row[photo])
                lines.append(line)
            values = ",\n".join(lines).replace(f"'{NULL}'", "NULL")
            out.write(f"INSERT INTO {target} ({', '.join(columns)}) VALUES\n{values};\n")
        out.write("COMMIT;\n")
    out.write("SET autocommit = 1;\n")


def main():
    parser = argparse.ArgumentParser(prog="hospital", description=__doc__)
    parser.add_argument("what", choices=("sql", "canaries"))
    parser.add_argument("--engine", choices=("postgres", "mysql"), default="postgres")
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--twin", action="store_true", help="same shape, other protected values")
    args = parser.parse_args()
    if not 1 <= args.patients <= 1_000_000:
        parser.error("--patients: from 1 to 1000000 (identifiers are distinct up to there)")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    variant = int(args.twin)
    if args.what == "canaries":
        for kind, value in canaries(args.patients, variant):
            sys.stdout.write(f"{kind}\t{value}\n")
    else:
        {"postgres": postgres, "mysql": mysql}[args.engine](sys.stdout, args.patients, variant)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit("hospital: the reader went away before everything was written")
