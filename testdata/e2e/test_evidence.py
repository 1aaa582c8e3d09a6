"""The record of what really happened, read back by the `evidence` binary; and a store that was touched is found out."""

import shutil
import uuid

import pytest


@pytest.fixture(scope="module")
def closed_store(fleet, tmp_path_factory, agent_token):
    """A store with a few sessions in it, sealed by a proxy that has ended."""
    from places import Place

    from fleet.proxy import Proxy

    proxy = Proxy(tmp_path_factory.mktemp("closed"), fleet, ["postgres15"]).start()
    place = Place(proxy.ports["postgres15"], "agent", agent_token)
    mark = f"m{uuid.uuid4().hex[:8]}"
    assert place.psql(f"SELECT full_name AS {mark}, ssn FROM patients WHERE id < 40").returncode == 0
    assert place.psql("SELECT count(*) FROM analytics.icd10").returncode == 0
    assert place.psql("CREATE TABLE forbidden (x int)").returncode == 1
    assert place.psql("SELECT 1/0").returncode == 1
    assert proxy.stop() == 0, proxy.log.read_text()[-2000:]
    return proxy, mark


def test_the_store_verifies(closed_store):
    proxy, _ = closed_store
    done = proxy.verify()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "PASS" in done.stdout and "FAIL" not in done.stdout


def test_sessions_and_statements_tell_what_happened(closed_store):
    proxy, mark = closed_store
    sessions = proxy.records("sessions")
    assert {record["user_email"] for record in sessions} == {"ci@clinic.example"}
    statements = proxy.records("statements")
    marked = [record for record in statements if mark in str(record)]
    assert len(marked) == 1
    assert marked[0]["row_count"] == 39 and marked[0]["status"] in ("ok", "done", "complete", "completed", "success"), marked[0]
    assert any("ssn" in str(column) for column in marked[0]["result_columns"])
    refused = [record for record in statements if "forbidden" in str(record)]
    assert len(refused) == 1 and refused[0]["decision"] in ("deny", "denied") and "no schema changes by agents" in str(refused[0]["rule"])
    failed = [record for record in statements if record.get("error_code") == "22012"]
    assert len(failed) == 1
    assert all(len(record["policy_version"]) == 64 for record in statements)


def test_show_has_the_masked_answer_and_no_raw_one(closed_store):
    from conftest import PATIENTS

    from hospital.canaries import Sweep

    proxy, mark = closed_store
    session = next(record["session_id"] for record in proxy.records("statements") if mark in str(record))
    shown = proxy.evidence("show", session, "--config", proxy.config).stdout
    assert mark in shown and "***" in shown
    assert not Sweep(PATIENTS, kinds={"ssn", "family", "mrn"}).find(shown)


def test_no_raw_value_anywhere_on_disk(closed_store):
    from conftest import PATIENTS

    from hospital.canaries import Sweep

    proxy, _ = closed_store
    sweep = Sweep(PATIENTS, kinds={"ssn", "family"})
    for path in sorted(proxy.home.rglob("*")):
        if path.is_file() and path.suffix != ".parquet" and path.stat().st_size < 2_000_000:
            assert not sweep.find(path.read_bytes()), path
    import pyarrow.parquet

    tables = list(proxy.store.rglob("*.parquet"))
    assert tables
    for path in tables:
        assert not sweep.find(str(pyarrow.parquet.read_table(path).to_pydict())), path


def test_one_byte_anywhere_is_named(closed_store, tmp_path):
    proxy, _ = closed_store
    files = [path for path in sorted(proxy.store.rglob("*")) if path.is_file() and path.stat().st_size > 0]
    kinds = {}
    for path in files:
        # Not what is still on its way into the record: the journal, and requests that `evidence` leaves for the proxy.
        if path.relative_to(proxy.store).parts[0] not in ("journal", "inbox") and path.suffix != ".lock":
            kinds.setdefault((path.parent.relative_to(proxy.store).parts[:1], path.suffix), path)
    assert any(path.suffix == ".parquet" for path in kinds.values())
    missed = []
    for number, path in enumerate(kinds.values()):
        copied = tmp_path / str(number)
        shutil.copytree(proxy.store, copied)
        victim = copied / path.relative_to(proxy.store)
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 0x01
        victim.write_bytes(data)
        done = proxy.verify(copied)
        if done.returncode != 1 or victim.name not in done.stdout + done.stderr:
            missed.append(f"{path.relative_to(proxy.store)}: exit {done.returncode}, {(done.stdout + done.stderr)[-300:]}")
    assert not missed, "\n".join(missed)


def test_another_key_does_not_verify(closed_store, tmp_path):
    import subprocess

    proxy, _ = closed_store
    other = subprocess.run(
        [proxy.bin / "evidence", "keys", "generate", "--origin", "audit.test/hospital", "--out", tmp_path / "other.key"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()
    assert proxy.verify(vkey=other).returncode == 1
