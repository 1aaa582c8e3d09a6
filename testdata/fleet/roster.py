"""The list of servers that a fleet may have, in the order in which they start."""

from .postgres import POSTGRES15, POSTGRES18

ROSTER = {server.name: server for server in (POSTGRES15, POSTGRES18)}
