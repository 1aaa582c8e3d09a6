"""SQLAlchemy over PyMySQL: dialect probing, catalog reflection, unit of work, streaming, rows by key."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from sqlalchemy import URL, MetaData, String, Table, create_engine, func, inspect, select  # noqa: E402
from sqlalchemy.exc import DBAPIError  # noqa: E402
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column  # noqa: E402
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, step, table  # noqa: E402

engine = create_engine(
    URL.create("mysql+pymysql", USER, PASSWORD, HOST, PORT, DATABASE, query={"charset": "utf8mb4"}),
    connect_args={"ssl": {"ca": CA, "check_hostname": True}} if CA else {},
)


class Base(DeclarativeBase):
    """The mapped tables."""


class Scratch(Base):
    """A row of the writable table."""

    __tablename__ = "scratch"
    __table_args__ = {"schema": "analytics"}
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(String(200))


class Patient(Base):
    """A protected row."""

    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    mrn: Mapped[str] = mapped_column(String(20))
    ssn: Mapped[str] = mapped_column(String(11))
    full_name: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(2))


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
        session.query(Scratch).filter(Scratch.id.between(5000, 5999)).delete()
        session.add_all([Scratch(id=5000 + n, label=f"n{n}") for n in range(20)])
        session.commit()
        session.get(Scratch, 5003).label = "changed"
        session.delete(session.get(Scratch, 5004))
        session.commit()
    with Session(engine) as session:
        session.add(Scratch(id=5003, label="twice"))
        try:
            session.commit()
            failure = None
        except DBAPIError as error:
            session.rollback()
            failure = error.orig.args[0]
        left = session.execute(select(Scratch.id, Scratch.label).where(Scratch.id.between(5000, 5005)).order_by(Scratch.id)).all()
        session.query(Scratch).filter(Scratch.id.between(5000, 5999)).delete()
        session.commit()
    return [failure, [list(row) for row in left]]


def aggregate():
    """A reflected table in a generated query."""
    census = Table("bed_census", MetaData(), schema="analytics", autoload_with=engine)
    with engine.connect() as conn:
        rows = conn.execute(select(census.c.department_id, func.max(census.c.occupied)).group_by(census.c.department_id).order_by(census.c.department_id))
        return [list(row) for row in rows]


def streamed():
    """An unbuffered cursor through yield_per."""
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


step("tables", lambda: sorted(inspect(engine).get_table_names("analytics")) + sorted(inspect(engine).get_view_names("analytics")))
step("reflect departments", lambda: reflected("analytics", "departments"))
step("reflect bed_census", lambda: reflected("analytics", "bed_census"))
step("unit of work", unit_of_work)
step("aggregate", aggregate)
step("streamed", streamed)
step("masked by the orm", masked)
engine.dispose()
emit("closed", True)
