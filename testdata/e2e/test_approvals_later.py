"""What outlasts a connection: refused at once and approved for later, restarts, time running out, hours of the day."""

from datetime import UTC, datetime, timedelta

import pytest
from conftest import MYSQL_SERVERS
from desk import Asking, Desk, connector, held_by, until

ENGINES = ["postgres15", MYSQL_SERVERS[0]]
VISITS = "SELECT id, notes FROM encounters WHERE id = 1"


@pytest.fixture
def make(mysql_fleet, tmp_path, mint):
    """A factory of proxies that hold; stopped at the end."""
    from fleet.proxy import Proxy

    made = []

    def one(rules=None, **options):
        home = tmp_path / f"proxy{len(made)}"
        setup = held_by(home, **options)
        if rules is not None:
            own = home / "own.toml"
            own.write_text(rules)
            setup["rules"] = [setup["rules"][0], own]
        made.append(Proxy(home, mysql_fleet, ENGINES, **setup).start())
        return made[-1], Desk(made[-1], mint)

    yield one
    for proxy in made:
        if proxy.alive():
            proxy.stop()


@pytest.mark.parametrize("server", ENGINES)
def test_refused_with_an_id_and_let_through_once_after_approval(server, make, agent_token, mint):
    proxy, desk = make(on_hold="reject")
    connect = connector(proxy, server, agent_token)
    rows, error = Asking(connect, VISITS).end()
    (request,) = desk.open()
    assert rows is None and request["id"] in error and "send the very same statement again" in error
    assert request["id"] in Asking(connect, VISITS).end()[1], "asking again is the same request"
    assert len(desk.open()) == 1
    assert desk.decide(request["id"], "approve", "go ahead")[0] == 200
    others = (
        ("another statement", connect, VISITS + " "),
        ("another literal", connect, VISITS.replace("= 1", "= 2")),
        ("another identity", connector(proxy, server, mint.token(sub="repo:clinic/other")), VISITS),
    )
    for what, elsewhere, sql in others:
        assert Asking(elsewhere, sql).end()[0] is None, what
    rows, error = Asking(connect, VISITS).end()
    assert error is None and len(rows) == 1, error
    rows, error = Asking(connect, VISITS).end()
    assert rows is None and request["id"] not in error, "one use is one use"
    assert proxy.stop() == 0
    verified = proxy.verify()
    assert verified.returncode == 0, verified.stdout[-3000:]


def test_a_grant_survives_a_restart_and_a_held_request_is_cancelled_by_it(make, agent_token):
    proxy, desk = make(on_hold="reject")
    connect = connector(proxy, "postgres15", agent_token)
    Asking(connect, VISITS).end()
    (request,) = desk.open()
    assert desk.decide(request["id"], "approve", "for after the restart")[0] == 200
    proxy.kill()
    proxy.start()
    assert desk.show(request["id"])["state"] == "granted"
    assert Asking(connect, VISITS).end()[1] is None
    assert desk.show(request["id"])["state"] == "used"
    assert proxy.stop() == 0 and proxy.verify().returncode == 0


@pytest.mark.parametrize("server", ENGINES)
def test_killed_while_held(server, make, agent_token):
    proxy, desk = make()
    asking = Asking(connector(proxy, server, agent_token), VISITS)
    request = desk.waiting("encounters")
    proxy.kill()
    assert asking.end()[1], "the connection ended"
    proxy.start()
    shown = desk.show(request["id"])
    assert shown["state"] == "cancelled" and "restarted" in shown["history"][-1]["words"]
    assert desk.decide(request["id"], "approve")[0] == 409
    assert proxy.stop() == 0
    verified = proxy.verify()
    assert verified.returncode == 0, verified.stdout[-3000:]


@pytest.mark.parametrize("server", ENGINES)
def test_time_runs_out(server, make, agent_token):
    proxy, desk = make(wait="2s")
    rows, error = Asking(connector(proxy, server, agent_token), VISITS).end()
    assert rows is None and "nobody approved request" in error and "within 2 seconds" in error
    (request,) = desk.call("GET", "approvals")[1]["approvals"]
    assert request["state"] == "expired" and desk.decide(request["id"], "approve")[0] == 409


@pytest.mark.parametrize("server", ENGINES)
def test_a_request_that_waits_when_the_proxy_stops_is_parked(server, make, agent_token):
    proxy, desk = make()
    connect = connector(proxy, server, agent_token)
    asking = Asking(connect, VISITS)
    request = desk.waiting("encounters")
    proxy.child.terminate()
    assert asking.end()[1]
    proxy.child.wait(30)
    proxy.start()
    # Once somebody has agreed, the very same statement runs.
    assert desk.show(request["id"])["state"] == "pending"
    assert desk.decide(request["id"], "approve", "after the restart")[0] == 200
    rows, error = Asking(connect, VISITS).end()
    assert rows is not None, error
    assert desk.show(request["id"])["state"] == "used"


@pytest.mark.parametrize("server", ENGINES)
def test_a_grant_is_worth_nothing_after_its_time(server, make, agent_token):
    rules = '[[approve]]\nname = "visits"\nwhen = { tables = ["*.*.encounters"] }\napprovers = { groups = ["privacy-office"] }\nvalid_for = "2s"\n'
    proxy, desk = make(rules=rules, on_hold="reject")
    connect = connector(proxy, server, agent_token)
    Asking(connect, VISITS).end()
    (request,) = desk.open()
    assert desk.decide(request["id"], "approve", "be quick")[1]["state"] == "granted"
    until(lambda: desk.show(request["id"])["state"] == "expired", "expiry", 10)
    rows, error = Asking(connect, VISITS).end()
    assert rows is None and "needs approval" in error and request["id"] not in error
    steps = ["requested", "approved", "expired"]
    until(lambda: [r["event"] for r in proxy.records("approvals") if r["approval_id"] == request["id"]] == steps, "record of the expiry")


def test_hours_of_the_day(make, agent_token):
    now = datetime.now(UTC)
    clock = lambda moment: moment.strftime("%H:%M")  # noqa: E731
    rule = '[[approve]]\nname = "{name}"\nwhen = {{ tables = ["{table}"], hours = "{span}", utc_offset = "+00:00" }}\napprovers = {{ groups = ["privacy-office"] }}\n'
    inside = f"{clock(now - timedelta(hours=1))}-{clock(now + timedelta(hours=2))}"
    outside = f"{clock(now + timedelta(hours=3))}-{clock(now + timedelta(hours=5))}"
    rules = rule.format(name="now", table="*.*.encounters", span=inside) + rule.format(name="later", table="*.*.departments", span=outside)
    proxy, desk = make(rules=rules)
    connect = connector(proxy, "postgres15", agent_token)
    assert Asking(connect, "SELECT count(*) FROM analytics.departments").end()[1] is None
    asking = Asking(connect, VISITS)
    assert desk.decide(desk.waiting("encounters")["id"], "deny", "come back at night")[0] == 200
    assert "come back at night" in asking.end()[1]
