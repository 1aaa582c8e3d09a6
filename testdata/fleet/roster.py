"""The list of servers that a fleet may have, in the order in which they start."""

from .frontends import HAPROXY_FRONT, PGBOUNCER_FRONT
from .idp import IDP
from .mysql import MARIADB, MYSQL
from .postgres import POSTGRES15, POSTGRES18

ROSTER = {
    server.name: server
    for server in (IDP, POSTGRES15, POSTGRES18, MARIADB, MYSQL, HAPROXY_FRONT, PGBOUNCER_FRONT)
}
