"""Runs attacks through a proxy, each in a session of its own, and keeps what came back."""

from dataclasses import dataclass, field

from . import mysql, postgres
from .stream import Dropped

ENGINES = {"postgres": postgres, "mysql": mysql}


@dataclass
class Run:
    """What came back of one attack: per statement the parsed answer, and all bytes."""

    answers: list = field(default_factory=list)
    heard: bytes = b""
    dropped: str | None = None


@dataclass(frozen=True)
class Door:
    """Where an engine is reached: a listener's port and the password that opens it."""

    engine: str
    port: int
    password: str
    user: str = "agent"
    database: str = "hospital"

    def run(self, statements, mode):
        """The statements in one session. A login that fails is an error: then nothing was tested."""
        client, run = ENGINES[self.engine], Run()
        session = client.Session(self.port, self.password, self.user, self.database, mode)
        try:
            for statement in statements:
                answer = session.run(statement)
                run.answers.append(answer)
            session.close()
        except Dropped as error:
            run.dropped = f"{statement}: {error}"
        run.heard = session.stream.take()
        session.stream.close()
        return run

    def leaks(self, run, canaries):
        """The canaries in a run: in its bytes, or spelled by its rows."""
        found = canaries.find(run.heard)
        for answer in run.answers:
            found += canaries.find_split(ENGINES[self.engine].cells(answer))
        return sorted(set(found))
