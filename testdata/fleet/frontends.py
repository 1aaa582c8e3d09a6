"""HAProxy (TCP mode) and PgBouncer (session mode) in front of PostgreSQL 15: what a benchmark compares Affidavit with."""

import os
import pwd

from . import needs
from .paths import IS_ROOT
from .process import Failed, alive, answers, port_for, spawn, stop, wait_until

HAPROXY = """
global
    maxconn 2000
    nbthread 2
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server postgres 127.0.0.1:{upstream}
"""
PGBOUNCER = """
[databases]
* = host=127.0.0.1 port={upstream}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = session
auth_type = scram-sha-256
auth_file = {users}
max_client_conn = 500
default_pool_size = 150
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
stats_period = 3600
"""


class FrontEnd:
    """A process that relays to postgres15, which has to be up."""

    def __init__(self, name, program, user):
        self.name, self.program, self.user = name, program, user

    def start(self, state, _patients):
        """Does nothing when it is up and still points at the right port."""
        upstream = state.servers.get("postgres15")
        if not alive(upstream):
            raise Failed(f"{self.name} stands in front of postgres15: start that too")
        entry = state.servers.get(self.name)
        if alive(entry):
            if entry["upstream"] == upstream["port"]:
                return entry
            stop(entry)
        needs.have(self.name)
        home = state.directory / self.name
        home.mkdir(exist_ok=True)
        owner = None
        if IS_ROOT:
            account = pwd.getpwnam(self.user)
            owner = (account.pw_uid, account.pw_gid)
            os.chown(home, *owner)
        port = port_for(entry)
        users, config = home / "users", home / "config"
        users.write_text("".join(f'"{user}" "{secret}"\n' for user, secret in upstream["users"].items()))
        template = HAPROXY if self.name == "haproxy" else PGBOUNCER
        config.write_text(template.format(port=port, upstream=upstream["port"], users=users))
        for path in (users, config):
            path.chmod(0o600)
            if owner:
                os.chown(path, *owner)
        line = [self.program, "-db", "-f", config] if self.name == "haproxy" else [self.program, "-q", config]
        started, _ = spawn(line, log=state.directory / f"{self.name}.log", user=owner, cwd="/")
        entry = {"engine": self.name, **started, "host": "127.0.0.1", "port": port, "upstream": upstream["port"]}
        state.servers[self.name] = entry
        wait_until(lambda: answers(port), entry=entry, what=self.name)
        return entry

    def clean(self, state):
        """Nothing but its configuration, which goes with the run directory."""


HAPROXY_FRONT = FrontEnd("haproxy", needs.HAPROXY, "nobody")
PGBOUNCER_FRONT = FrontEnd("pgbouncer", needs.PGBOUNCER, "postgres")
