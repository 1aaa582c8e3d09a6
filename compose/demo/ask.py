"""An analyst's DuckDB: SQL from standard input; what a statement returns is printed. The store is mounted read-only."""

import sys

import duckdb

connection = duckdb.connect()
for statement in connection.extract_statements(sys.stdin.read()):
    found = connection.sql(statement)
    if statement.type == duckdb.StatementType.SELECT and found is not None:
        print("\t".join(found.columns))
        for row in found.fetchall():
            print("\t".join("" if cell is None else str(cell) for cell in row))
