"""SQLAlchemy: what an ORM does that a person does not: dialect probing, catalog reflection, unit of work, fetch by key."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from sqlalchemy import URL, MetaData, Table, create_engine, func, inspect, select  # noqa: E402
from sqlalchemy.exc import DBAPIError  # noqa: E402
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column  # noqa: E402
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, step, table  # noqa: E402

query = {"sslmode": "verify-full", "sslrootcert": CA} if CA else {"sslmode": "disable"}
engine = create_engine(
    URL.create("postgresql+psycopg", USER, PASSWORD, HOST, PORT, DATABASE, query=query | {"application_name": "sqlalchemy"})
)


class Base(DeclarativeBase):
    """The mapped tables."""


class Scratch(Base):
    """A row of the writable table."""

    __tablename__ = "scratch"
    __table_args__ = {"schema": "analytics"}
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None]


class Patient(Base):
    """A protected row."""

    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    mrn: Mapped[str]
    ssn: Mapped[str]
    full_name: Mapped[str]
    state: Mapped[str]


def reflected(schema, name):
    """What the inspector says of a table."""
    look = inspect(engine)
    return {
        "columns": [[c["name"], str(c["type"]), c["nullable"]] for c in look.get_columns(name, schema)],
        "key": look.get_pk_constraint(name, schema), "foreign": look.get_foreign_keys(name, schema),
        "indexes": look.get_indexes(name, schema),
    }


def unit_of_work():
    """Insert, flush, update, delete by the ORM; a failure rolls back."""
    with Session(engine) as session:
        session.query(Scratch).filter(Scratch.id.between(3000, 3999)).delete()
        session.add_all([Scratch(id=3000 + n, label=f"n{n}") for n in range(20)])
        session.commit()
        session.get(Scratch, 3003).label = "changed"
        session.delete(session.get(Scratch, 3004))
        session.commit()
    with Session(engine) as session:
        session.add(Scratch(id=3003, label="twice"))
        try:
            session.commit()
            failure = None
        except DBAPIError as error:
            session.rollback()
            failure = error.orig.sqlstate
        left = session.execute(select(Scratch.id, Scratch.label).where(Scratch.id.between(3000, 3005)).order_by(Scratch.id)).all()
        session.query(Scratch).filter(Scratch.id.between(3000, 3999)).delete()
        session.commit()
    return [failure, [list(row) for row in left]]


def aggregate():
    """A reflected table in a generated query."""
    census = Table("bed_census", MetaData(), schema="analytics", autoload_with=engine)
    with engine.connect() as conn:
        rows = conn.execute(select(census.c.department_id, func.max(census.c.occupied)).group_by(census.c.department_id).order_by(census.c.department_id))
        return [list(row) for row in rows]


def streamed():
    """A server-side cursor through yield_per."""
    census = Table("bed_census", MetaData(), schema="analytics", autoload_with=engine)
    with engine.connect() as conn:
        rows = conn.execution_options(yield_per=100).execute(select(census.c.occupied).order_by(census.c.day, census.c.department_id))
        return sum(row[0] * (n % 97) for n, row in enumerate(rows))


def masked():
    """Protected rows through the ORM, by condition and by key."""
    with Session(engine) as session:
        people = session.scalars(select(Patient).where(Patient.id <= 12).order_by(Patient.id)).all()
        people.append(session.get(Patient, 100))
        return table(["id", "mrn", "ssn", "full_name", "state"], [[p.id, p.mrn, p.ssn, p.full_name, p.state] for p in people])


step("schemas", lambda: inspect(engine).get_schema_names())
step("tables", lambda: sorted(inspect(engine).get_table_names("analytics")) + sorted(inspect(engine).get_view_names("analytics")))
step("reflect departments", lambda: reflected("analytics", "departments"))
step("reflect bed_census", lambda: reflected("analytics", "bed_census"))
step("reflect a protected table", lambda: reflected("public", "patients"))
step("unit of work", unit_of_work)
step("aggregate", aggregate)
step("streamed", streamed)
step("masked by the orm", masked)
engine.dispose()
emit("closed", True)
