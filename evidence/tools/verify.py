#!/usr/bin/env python3
"""Checks a package, or a store, of Affidavit's record without Affidavit: its own code for every step.

Needs Python 3.9, `cryptography` and `pyarrow`. Exit code 0: no check failed; 1: one did; 3: could not run.
README.md beside the package's data describes the formats."""

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import struct
import sys
import tempfile
import zipfile
from collections import defaultdict

import pyarrow.parquet as parquet
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ZERO = "0" * 64
checks = {}  # name: [outcome, findings]


def check(name):
    checks.setdefault(name, ["PASS", []])


def fail(name, place, reason):
    checks.setdefault(name, ["PASS", []])
    checks[name][0] = "FAIL"
    checks[name][1].append(f"{place}: {reason}")


def skip(name, reason):
    checks.setdefault(name, ["NOT CHECKED", []])
    if checks[name][0] != "FAIL":
        checks[name] = ["NOT CHECKED", [reason]]


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def signed(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


class Key:
    """A C2SP signed-note verification key."""

    def __init__(self, text):
        self.name, key_id, key = text.strip().split("+", 2)
        raw = base64.b64decode(key, validate=True)
        if raw[:1] != b"\x01" or len(raw) != 33:
            raise ValueError("not an Ed25519 key")
        self.public, self.id = raw[1:], sha(self.name.encode(), b"\n", raw)[:4]
        if self.id.hex() != key_id:
            raise ValueError("the id does not belong to the key")

    def verifies(self, note):
        text, _, lines = note.rpartition("\n\n")
        for line in lines.splitlines():
            match = re.fullmatch(r"— (\S+) (\S+)", line)
            if match and match[1] == self.name:
                raw = base64.b64decode(match[2])
                if raw[:4] == self.id and signed(self.public, (text + "\n").encode(), raw[4:]):
                    return True
        return False


# Merkle trees, RFC 6962


def leaf_hash(entry):
    return sha(b"\0", entry)


def root(hashes):
    if not hashes:
        return sha(b"")
    while len(hashes) > 1:
        pairs = [sha(b"\1", a, b) for a, b in zip(hashes[::2], hashes[1::2])]
        hashes = pairs + ([hashes[-1]] if len(hashes) % 2 else [])
    return hashes[0]


def root_by_path(leaf, index, size, path):
    fn, sn, node = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            node = sha(b"\1", step, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = sha(b"\1", node, step)
        fn, sn = fn >> 1, sn >> 1
    return node if sn == 0 else None


def tile_number(n):
    text = f"{n % 1000:03d}"
    while n := n // 1000:
        text = f"x{n % 1000:03d}/{text}"
    return text


def read_checkpoint(note):
    origin, size, head = note.split("\n")[:3]
    if str(int(size)) != size:
        raise ValueError("the size is not written in the one allowed form")
    return origin, int(size), base64.b64decode(head, validate=True)


def read_entries(store, size):
    entries = []
    for n in range((size + 255) // 256):
        width = min(256, size - n * 256)
        path = f"{store}/log/tile/entries/{tile_number(n)}" + ("" if width == 256 else f".p/{width}")
        with open(path, "rb") as file:
            data, at = file.read(), 0
        for _ in range(width):
            (length,) = struct.unpack_from(">H", data, at)
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(data):
            fail("every leaf present", path, "it does not end with its last entry")
    return entries


# The canonical encoding


def text(value):
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


def value(item):
    if item is None:
        return b"\0"
    if isinstance(item, int):
        return b"\1" + struct.pack(">q", item)
    if isinstance(item, str):
        return b"\1" + text(item)
    if isinstance(item, list):
        return b"\1" + struct.pack(">I", len(item)) + b"".join(map(value, item))
    return b"".join(map(value, item.values()))  # a struct


def record_hash(table, record):
    encoded = b"".join(value(item) for name, item in record.items() if name != "record_hash")
    return sha(b"affidavit/record/v1\n", text(table), encoded).hex()


def read_table(path):
    """The records of a file; times as integers."""
    table = parquet.read_table(path, partitioning=None)
    for at, field in enumerate(table.schema):
        if str(field.type).startswith("timestamp"):
            table = table.set_column(at, field.name, table.column(at).cast("int64"))
    for batch in table.to_batches(max_chunksize=16384):
        yield from batch.to_pylist()


# The log


def check_log(store, key, older):
    """The head, the tree, the leaves. Returns the leaves: (index, type, payload, content)."""
    with open(f"{store}/log/checkpoint") as file:
        note = file.read()
    check("checkpoint syntax")
    origin, size, head = read_checkpoint(note)
    check("log signature")
    if origin != key.name or not key.verifies(note):
        fail("log signature", "log/checkpoint", "no good signature by the supplied key")
    check("every leaf present")
    entries = read_entries(store, size)
    hashes = [leaf_hash(entry) for entry in entries]
    check("root recomputed")
    if root(hashes) != head:
        fail("root recomputed", "log/checkpoint", "its root is not that of the leaves")
    if older is None:
        skip("consistency with the older checkpoint", "none was given (--checkpoint)")
    else:
        name = "consistency with the older checkpoint"
        check(name)
        old_origin, old_size, old_head = read_checkpoint(older)
        if not key.verifies(older) or old_origin != origin:
            fail(name, "the older checkpoint", "no good signature by the supplied key")
        elif old_size > size:
            fail(name, "log/checkpoint", "the tail is gone")
        elif old_size and root(hashes[:old_size]) != old_head:
            fail(name, "log/checkpoint", "the log does not extend it")
    check("envelope signatures and types")
    check("epoch keys")
    leaves, epoch, epoch_public, not_after = [], 0, None, 0
    for index, entry in enumerate(entries):
        place = f"leaf {index}"
        envelope = json.loads(entry)
        kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
        content = json.loads(payload)
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        is_key = kind == "application/vnd.affidavit.key.v1+json"
        public = key.public if is_key else epoch_public
        good = public is not None and any(
            line["keyid"] == sha(public).hex()[:16] and signed(public, message, base64.b64decode(line["sig"]))
            for line in envelope["signatures"]
        )
        if not good:
            fail("envelope signatures and types", place, f"no good signature ({kind})")
        about = content["predicate"] if kind == "application/vnd.in-toto+json" else content
        if is_key:
            if content["epoch"] != epoch + 1:
                fail("epoch keys", place, "epochs do not follow one another")
            epoch, epoch_public, not_after = content["epoch"], bytes.fromhex(content["public"]), content["not_after"]
        elif about["epoch"] != epoch or about["time"] > not_after:
            fail("epoch keys", place, "its key is not in force")
        leaves.append((index, kind, payload, content, entry))
    check_times(leaves)
    return leaves, size, root(hashes).hex()


def check_times(leaves):
    check("clock")
    check("heartbeats")
    interval, before, closing = None, None, False
    for index, kind, _, content, _ in leaves:
        about = content["predicate"] if kind == "application/vnd.in-toto+json" else content
        if before is not None:
            wall, same = about["time"] - before["time"], about["boot"] == before["boot"]
            mono = about["monotonic"] - before["monotonic"]
            if (same and (mono < 0 or abs(wall - mono) > 5_000_000)) or (not same and wall < -5_000_000):
                fail("clock", f"leaf {index}", "wall clock and monotonic clock disagree")
            if same and (closing or (interval is not None and mono > 2 * interval + 60_000_000)):
                fail("heartbeats", f"leaf {index}", "a heartbeat is missing, or follows the end")
        interval = content.get("heartbeat", interval)
        before, closing = about, content.get("closing", False)


# The records


class Walk:
    """Holds the segments against each other, in their order."""

    def __init__(self, store, leaves, first, last):
        self.store, self.leaves, self.first, self.last = store, leaves, first, last
        self.seen, self.open, self.chains = set(), {}, {}
        self.loaded, self.periods, self.active = {}, defaultdict(list), None
        self.approvals, self.logged, self.strangers = {}, set(), defaultdict(list)
        self.begins, self.statements = None, 0

    def run(self):
        for name in (
            "segments contiguous", "files present", "file hashes", "row counts, columns, times, partitions",
            "record hashes", "session sequence", "session ids unique", "session totals", "session index",
            "open sessions carried", "row commitments", "statement bodies", "table chains", "policy versions",
            "approval state machine", "approvals",
        ):
            check(name)
        number, lsn, previous = 0, 0, ""
        for index, kind, payload, content, entry in self.leaves:
            if kind == "application/vnd.affidavit.policy.v1+json":
                self.logged.add(("policy", content["event"], content["version"], content["record_hash"]))
            elif kind == "application/vnd.affidavit.approval.v1+json":
                self.logged.add(("approval", content["event"], content["approval_id"], content["record_hash"]))
            if kind != "application/vnd.in-toto+json":
                continue
            segment = content["predicate"]
            place = f"segment {segment['segment']}"
            if (segment["segment"], segment["first_lsn"], segment["previous"]) != (number + 1, lsn + 1, previous):
                fail("segments contiguous", place, "it does not follow the segment before it")
            number, lsn, previous = segment["segment"], segment["last_lsn"], sha(payload).hex()
            copy = f"{self.store}/segments/seg-{number:08d}.json"
            if not os.path.exists(copy) or open(copy, "rb").read() != entry:
                fail("files present", copy, f"it is not leaf {index}")
            self.segment(content, place)
        for _, used in (one for some in self.strangers.values() for one in some if self.first == 1):
            fail("approval state machine", used, "used by a session of another identity, or of none")
        if self.first > 1:
            skip("open sessions carried", "the package begins after the first segment")

    def segment(self, content, place):
        segment = content["predicate"]
        inside = self.first <= segment["segment"] <= self.last
        hashes = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
        chain, bodies, parts, texts, touched = [], {}, {}, True, {}
        for file in sorted(segment["files"], key=lambda file: (file["table"], file["date"])):
            name, table = file["name"], file["table"]
            path = f"{self.store}/{name}"
            early = table in ("policy_versions", "approvals") and segment["segment"] < self.first
            if not (inside or early):
                continue
            if not os.path.exists(path):
                if table == "statement_bodies":
                    texts = False
                    skip("statement bodies", "the package does not hold the exact texts; their hashes hold")
                else:
                    fail("files present", name, "a manifest lists it")
                continue
            with open(path, "rb") as raw:
                data = raw.read()
            if sha(data).hex() != hashes.get(name):
                fail("file hashes", name, "its SHA-256 is not the one in the manifest")
                continue
            if data[:4] == b"PARE":
                texts = False
                skip("statement bodies", "they are encrypted; their hashes hold")
                continue
            count = 0
            for record in read_table(path):
                count += 1
                if table == "rows":
                    self.row(record, parts)
                elif table == "statement_bodies":
                    key = (record["session_id"], record["statement_id"])
                    bodies[key] = sha(
                        b"affidavit/body/v1\n", bytes.fromhex(record["salt"]), text(key[0]), struct.pack(">q", key[1]),
                        value(record["sql_text"]), value(record["params"]),
                    ).hex()
                else:
                    if record_hash(table, record) != record["record_hash"]:
                        fail("record hashes", f"{name} lsn {record['lsn']}", "its content is not what its hash says")
                    if table in ("sessions", "statements"):
                        chain.append((table, record))
                    else:
                        self.table_record(table, record)
            if count != file["rows"]:
                fail("row counts, columns, times, partitions", name, f"{count} rows, the manifest says {file['rows']}")
        if not inside:
            self.chains = {table: chain["head"] for table, chain in segment["chains"].items()}
            if segment["segment"] < self.first:
                self.begins = segment["time"]
            return
        order = {"open": 0, "denied": 0, "close": 2}
        chain.sort(key=lambda item: (item[1]["lsn"], order.get(item[1].get("event"), 1), item[1].get("session_seq", 0)))
        opened = {record["session_id"] for table, record in chain if record.get("event") == "open"}
        for (session, statement), part in parts.items():
            if session not in self.open and session not in opened and self.first == 1:
                fail("row commitments", f"session {session}", "rows of a session that is not open")
            track = self.track(session)
            before, rows = track["parts"].get(statement, (bytes(32), 0))
            track["parts"][statement] = (sha(b"affidavit/rows-commit/v1\n", before, part["hash"].digest()), rows + part["rows"])
        for table, record in chain:
            self.chain_record(table, record, bodies, texts, touched)
        for session, statement in bodies:
            fail("statement bodies", f"session {session} statement {statement}", "a body without its statement")
        self.roots(segment, touched, place)

    def track(self, session):
        return self.open.setdefault(
            session, {"seq": 0, "head": ZERO, "statements": 0, "rows": 0, "bytes": 0, "parts": {}, "partial": False}
        )

    def row(self, record, parts):
        key = (record["session_id"], record["statement_id"])
        part = parts.get(key)
        if part is None:
            part = parts[key] = {"hash": hashlib.sha256(), "rows": 0, "columns": None}
            part["hash"].update(b"affidavit/rows/v1\n" + text(key[0]) + struct.pack(">q", key[1]))
        columns = value(record["columns"])
        same, part["columns"] = columns == part["columns"], columns
        part["hash"].update(
            value(record["result_set"]) + value(record["row_index"]) + (b"\2" if same else columns)
            + value(record["values"]) + value(record["overflow"])
        )
        part["rows"] += 1

    def chain_record(self, table, record, bodies, texts, touched):
        session, event = record["session_id"], record.get("event")
        place = f"session {session} lsn {record['lsn']}"
        if event in ("open", "denied"):
            if session in self.seen:
                fail("session ids unique", place, "this session id was used before")
        elif session not in self.seen:
            if self.first == 1:
                fail("session sequence", place, "its session was never opened")
            track = self.track(session)
            track["partial"], track["head"] = True, record["prev_hash"]
            track["seq"] = record["session_seq"] if table == "statements" else record["statement_count"] + 1
        self.seen.add(session)
        track = self.track(session)
        if record["prev_hash"] != track["head"]:
            fail("session sequence", place, "it does not follow the record before it")
        before, track["head"] = track["head"], record["record_hash"]
        track["seq"] += 1
        touched[session] = (track["seq"], track["head"])
        if table == "statements":
            self.statement(record, track, bodies, texts)
        elif event == "open":
            track["owner"] = f"{record['issuer'] or ''}|{record['user_id'] or ''}"
            for requester, used in self.strangers.pop(session, []):
                if requester != track["owner"]:
                    fail("approval state machine", used, "used by a session of another identity")
            if record["policy_version"]:
                self.policy_used(record["policy_version"], record["ts"], record["lsn"], None, place)
        else:
            if event == "close":
                totals = [record["statement_count"], record["rows_returned"], record["bytes_returned"]]
                counted = [track["statements"], track["rows"], track["bytes"]]
                if record["final_hash"] != before or (totals != counted and not track["partial"]):
                    fail("session totals", place, f"it says {totals}, found were {counted}")
                if track["parts"]:
                    fail("row commitments", place, "rows without their statement")
            del self.open[session]

    def statement(self, record, track, bodies, texts):
        self.statements += 1
        key = (record["session_id"], record["statement_id"])
        place = f"session {key[0]} statement {key[1]}"
        if record["session_seq"] != track["seq"] - 1:
            fail("session sequence", place, "its number within the session is wrong")
        track["statements"] += 1
        track["rows"] += record["row_count"]
        track["bytes"] += record["bytes_out"]
        commit, rows = track["parts"].pop(key[1], (None, 0))
        elsewhere = track["partial"] and (record["sent"] is None or record["sent"] < self.begins)
        if not elsewhere and (rows != record["row_count"] or (commit and commit.hex()) != record["rows_commit"]):
            fail("row commitments", place, "its rows are not those that it commits to")
        body = bodies.pop(key, None)
        if texts and body != record["body_commit"]:
            fail("statement bodies", place, "its text is missing or not the one that it commits to")
        at = record["ts"] if record["sent"] is None else record["sent"]
        self.policy_used(record["policy_version"], at, record["lsn"], record["approval_id"], place)
        self.approval_used(record, place)

    def roots(self, segment, touched, place):
        def leaf(session, seq, head, *totals):
            raw = bytes.fromhex(session.replace("-", "")) + struct.pack(">Q", seq) + bytes.fromhex(head)
            return leaf_hash(raw + b"".join(struct.pack(">Q", total) for total in totals))

        if root([leaf(s, *touched[s]) for s in sorted(touched)]).hex() != segment["sessions_root"]:
            fail("session index", place, "its sessions are not those in the manifest")
        stated = {table: chain["head"] for table, chain in segment["chains"].items()}
        if stated != self.chains:
            fail("table chains", place, "the chains of its tables are not those in the manifest")
        if segment["policy"] != self.active:
            fail("policy versions", place, "the policy in force is not the one in the manifest")
        if self.first == 1:
            still = [
                leaf(s, t["seq"], t["head"], t["statements"], t["rows"], t["bytes"]) for s, t in sorted(self.open.items())
            ]
            if root(still).hex() != segment["open_root"]:
                fail("open sessions carried", place, "the sessions open at its end are not those in the manifest")

    def table_record(self, table, record):
        place = f"{table} lsn {record['lsn']}"
        if record["prev_hash"] != self.chains.get(table, ZERO):
            fail("table chains", place, "it does not follow the record before it")
        self.chains[table] = record["record_hash"]
        if table == "policy_versions":
            self.policy(record, place)
        elif table == "approvals":
            self.approval(record, place)

    def policy(self, record, place):
        name, version, event = "policy versions", record["version"], record["event"]
        if ("policy", event, version, record["record_hash"]) not in self.logged:
            fail(name, place, "no leaf in the log stands for it before its segment")
        if event == "loaded":
            if sha(record["content"].encode()).hex() != version:
                fail(name, place, "its text does not have the hash that it is named by")
            self.loaded.setdefault(version, record["lsn"])
        elif event == "activated" and self.active != version:
            if version not in self.loaded or record["effective_from"] != record["ts"] or self.active:
                fail(name, place, "it was activated before its text was there, for another time, or beside another one")
            self.periods[version].append([record["ts"], None])
            self.active = version
        elif event == "superseded":
            if self.active != version or record["effective_from"] != self.periods[version][-1][0]:
                fail(name, place, "it was not in force")
            else:
                self.periods[version][-1][1] = record["ts"]
            self.active = None

    def policy_used(self, version, at, lsn, approval, place):
        slack = 24 * 3_600_000_000 if approval else 60_000_000
        held = any(start <= at and (end is None or at <= end + slack) for start, end in self.periods.get(version, []))
        if self.loaded.get(version, lsn) >= lsn or not held:
            fail("policy versions", place, f"policy {version} was not in the store before, or not in force")

    def approval(self, record, place):
        name, key, event = "approval state machine", record["approval_id"], record["event"]
        if ("approval", event, key, record["record_hash"]) not in self.logged:
            fail(name, place, "no leaf in the log stands for it before its segment")
        known = self.approvals.get(key)
        if event == "requested":
            if known:
                fail(name, place, "it was requested before")
            self.approvals[key] = {
                "request": record, "by": set(), "ended": False, "used": set(), "ran": set(), "from": None, "until": None,
                "emergency": False, "reviewed": False, "window": False,
            }
            return
        if not known or (known["ended"] and event != "reviewed"):
            fail(name, place, "it was never requested, or is over")
            return
        request, who = known["request"], record["approver"]
        if (record["requester"], record["scope"]) != (request["requester"], request["scope"]):
            fail(name, place, "its requester or scope is not that of the request")
        if event in ("approved", "denied", "revoked", "reviewed"):
            if not who or who == request["requester"] or not (record["justification"] or "").strip():
                fail(name, place, "decided by nobody, by the requester, or without a reason")
        if event in ("approved", "emergency", "window"):
            known["from"], known["until"] = record["valid_from"] or known["from"], record["valid_until"] or known["until"]
        if event == "approved":
            if who in known["by"]:
                fail(name, place, "one person approved twice")
            known["by"].add(who)
        elif event == "emergency":
            if known["by"] or known["emergency"] or who:
                fail(name, place, "it was opened before, or names someone who agreed")
            known["emergency"] = True
        elif event == "window":
            if not known["by"] or known["used"]:
                fail(name, place, "nobody had agreed to a window")
            known["window"] = True
        elif event == "used":
            by = (record["session_id"], record["statement_id"])
            late = known["until"] and record["ts"] > known["until"] or known["from"] and record["ts"] < known["from"]
            again = by in known["used"] or (known["used"] and not known["window"])
            if not (known["by"] or known["emergency"]) or again or late:
                fail(name, place, "used before it was approved, twice, or out of its time")
            known["used"].add(by)
            if request["session_id"] and by[0] != request["session_id"]:
                self.stranger(by[0], record["requester"], place)
        elif event == "reviewed":
            if not known["emergency"] or known["reviewed"]:
                fail(name, place, "it owes no review")
            known["reviewed"] = True
        elif event in ("denied", "revoked", "cancelled", "expired"):
            known["ended"] = True
        elif event != "escalated":
            fail(name, place, f"unknown event {event}")

    def stranger(self, session, requester, place):
        """A session that used what another had asked for: it has to be of the same identity."""
        owner = self.open.get(session, {}).get("owner")
        if owner is None:
            self.strangers[session].append((requester, place))
        elif owner != requester:
            fail("approval state machine", place, "used by a session of another identity")

    def approval_used(self, record, place):
        key = record["approval_id"]
        if key is None:
            if record["decision"] == "approved":
                fail("approvals", place, "no approval is named")
            return
        if record["sent"] is None or record["phase"] == "prepare":
            return
        known, me = self.approvals.get(key), (record["session_id"], record["statement_id"])
        if not known or me not in known["used"] or me in known["ran"] or (known["ran"] and not known["window"]):
            fail("approvals", place, f"approval {key} is not there, is another statement's, or was used before")
        if known:
            known["ran"].add(me)


# The package


def unpack(path, folder):
    check("archive safety")
    with zipfile.ZipFile(path) as archive:
        seen = set()
        for info in archive.infolist():
            mode = info.external_attr >> 16
            inside = not info.filename.startswith("/") and ".." not in info.filename.split("/") and "\\" not in info.filename
            if not inside or info.filename in seen or info.compress_type or (mode and not stat.S_ISREG(mode)):
                fail("archive safety", info.filename, "it leads elsewhere, is there twice, is a link, or is not stored")
                continue
            seen.add(info.filename)
            archive.extract(info, folder)
    return seen


def check_bag(folder, names, key):
    check("bag structure and payload set")
    check("bag hashes")
    payload = {name for name in names if name.startswith("data/")}
    for algorithm in ("sha256", "sha512"):
        lines = {}
        for manifest in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
            with open(f"{folder}/{manifest}") as file:
                found = dict(reversed(line.rstrip("\n").split("  ", 1)) for line in file)
            if manifest.startswith("manifest") and set(found) != payload:
                fail("bag structure and payload set", manifest, f"not the payload: {sorted(set(found) ^ payload)[:3]}")
            lines.update(found)
        for name, digest in lines.items():
            if name in names:
                with open(f"{folder}/{name}", "rb") as file:
                    if hashlib.new(algorithm, file.read()).hexdigest() != digest:
                        fail("bag hashes", name, f"its {algorithm} is not the one listed")
    if "signature.note" not in names:
        skip("package signature", "the package is not signed")
        return
    check("package signature")
    with open(f"{folder}/tagmanifest-sha256.txt", "rb") as file:
        expected = f"affidavit package v1\n{sha(file.read()).hex()}\n\n"
    with open(f"{folder}/signature.note") as file:
        note = file.read()
    if not note.startswith(expected) or not key.verifies(note):
        fail("package signature", "signature.note", "no good signature by the supplied key over this package")


def check_proofs(folder, scope, size, head):
    check("session proofs")
    for session in scope["sessions"]:
        path = f"{folder}/data/proofs/{session}.json"
        if not os.path.exists(path):
            fail("session proofs", session, "it is missing")
            continue
        with open(path) as file:
            proof = json.load(file)
        raw = bytes.fromhex(session.replace("-", "")) + struct.pack(">Q", proof["records"]) + bytes.fromhex(proof["head"])
        index = root_by_path(leaf_hash(raw), proof["index"], proof["size"], [bytes.fromhex(h) for h in proof["path"]])
        with open(f"{folder}/data/store/segments/seg-{proof['segment']:08d}.json", "rb") as file:
            entry = file.read()
        stated = json.loads(base64.b64decode(json.loads(entry)["payload"]))["predicate"]["sessions_root"]
        top = root_by_path(leaf_hash(entry), proof["log_index"], size, [bytes.fromhex(h) for h in proof["log_path"]])
        if proof["session"] != session or not index or index.hex() != stated or not top or top.hex() != head:
            fail("session proofs", session, "it does not lead to the manifest, or not to the root of the log")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a package (.zip) or a store's folder")
    parser.add_argument("--key", required=True, help="the log's verification key, from elsewhere than the package")
    parser.add_argument("--checkpoint", help="a checkpoint that was kept earlier")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        key = Key(options.key)
        older = open(options.checkpoint).read() if options.checkpoint else None
    except (OSError, ValueError) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as scratch:
        try:
            store, scope, first, last = options.path, None, 1, sys.maxsize
            if os.path.isfile(options.path):
                names = unpack(options.path, scratch)
                check_bag(scratch, names, key)
                store = f"{scratch}/data/store"
                with open(f"{scratch}/data/scope.json") as file:
                    scope = json.load(file)
                first, last = scope["first_segment"], scope["last_segment"]
            leaves, size, head = check_log(store, key, older)
            Walk(store, leaves, first, last).run()
            if scope is not None:
                check_proofs(scratch, scope, size, head)
        except Exception as error:  # a file that was made to mislead may fail anywhere; that is a finding
            fail("readable", type(error).__name__, error)
    if options.json:
        print(json.dumps([{"name": n, "outcome": o, "findings": f} for n, (o, f) in checks.items()], indent=1))
    else:
        for name, (outcome, findings) in checks.items():
            print(f"{outcome:<12} {name}")
            for finding in findings[:20]:
                print(f"             {finding}")
    return 1 if any(outcome == "FAIL" for outcome, _ in checks.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
