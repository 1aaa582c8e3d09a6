#!/usr/bin/env python3
"""Checks a package, or a store, of Affidavit's record without Affidavit: its own code for every step.

Needs Python 3.9, `cryptography` and `pyarrow`. Exit code 0: no check failed; 1: one did; 3: could not run.
README.md beside the package's data describes the formats."""

import argparse
import base64
import fcntl
import hashlib
import json
import os
import re
import struct
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import pyarrow.parquet as parquet
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ZERO = "0" * 64
# The newest version of the tables' columns that this program knows, and what each version added behind those before.
VERSION = 3
ADDED = {
    2: {
        "statements": ["user_id", "user_email", "issuer", "datasource", "kind", "refusal", "refusal_hint", "columns_used"],
        "rows": ["shown", "user_id", "datasource"],
        "approvals": ["requester_issuer", "requester_subject", "approver_issuer", "approver_subject"],
    },
    3: {"statements": ["class", "role"], "statement_bodies": ["sent_sql"]},
}
# A social security number, or an e-mail address: nothing that a mask without a shape leaves behind.
IDENTIFIER = re.compile(r"(?!000)[0-9]{3}-[0-9]{2}-[0-9]{4}|[A-Za-z0-9]@[A-Za-z0-9-]+\.[A-Za-z0-9.-]{2,}")
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


def key_text(given):
    """A key as the command line gives it: itself, or a file that holds it."""
    if os.path.isfile(given):
        with open(given) as file:
            return file.read()
    return given


class Key:
    """A C2SP signed-note verification key."""

    def __init__(self, text):
        self.text = text.strip()
        if self.text.count("+") < 2:
            raise ValueError(f"{self.text} is neither a verification key (NAME+ID+BASE64) nor a file that holds one")
        self.name, key_id, key = self.text.split("+", 2)
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
            if at + 2 > len(data) or at + 2 + struct.unpack_from(">H", data, at)[0] > len(data):
                fail("every leaf present", path, f"it ends within entry {len(entries)}")
                break
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


def moment(micros):
    """Microseconds since the epoch as RFC 3339."""
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record_hash(table, record):
    encoded = b"".join(value(item) for name, item in record.items() if name != "record_hash")
    return sha(b"affidavit/record/v1\n", text(table), encoded).hex()


def too_large(path):
    """Whether a file was made to fill the memory: no writer makes row groups of that many rows, or pages that shrink so much."""
    metadata = parquet.read_metadata(path)
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    size = os.path.getsize(path)
    return any(group.num_rows > 65_536 or group.total_byte_size > max(512 << 20, 500 * size) for group in groups)


def read_table(path):
    """The records of a file; times as integers."""
    table = parquet.read_table(path, partitioning=None)
    for at, field in enumerate(table.schema):
        if str(field.type).startswith("timestamp"):
            table = table.set_column(at, field.name, table.column(at).cast("int64"))
    for batch in table.to_batches(max_chunksize=16384):
        yield from batch.to_pylist()


# The log

SEGMENT = "application/vnd.in-toto+json"
OWN = "application/vnd.affidavit.{}.v1+json"
KINDS = {OWN.format(name) for name in (
    "key", "heartbeat", "policy", "approval", "recovery", "rotation", "hold", "tombstone", "review", "clock"
)} | {SEGMENT}
PRUNED = ("sessions", "statements", "statement_bodies", "rows")
TABLES = PRUNED + ("policy_versions", "approvals", "reviews", "audit_accesses")
TABLES_IN_ORDER = TABLES


def head_of(content):
    """What a leaf says of when and by whom it was made."""
    return content["predicate"] if "predicate" in content else content


def signed_by(envelope, message, public):
    return any(
        line["keyid"] == sha(public).hex()[:16] and signed(public, message, base64.b64decode(line["sig"]))
        for line in envelope["signatures"]
    )


class Keys:
    """The log's keys, from its first: a rotation is signed by the key before and by the one that follows."""

    def __init__(self, first):
        self.keys = [(0, first)]

    def at(self, index):
        return [key for start, key in self.keys if start <= index][-1]

    def signed(self, size, note):
        return self.at(max(size - 1, 0)).verifies(note) or self.at(size).verifies(note)


def check_log(store, key, older, max_age):
    """The head, the tree, the leaves. Returns the leaves: (index, type, payload, content, entry)."""
    with open(f"{store}/log/checkpoint") as file:
        note = file.read()
    check("checkpoint syntax")
    try:
        origin, size, head = read_checkpoint(note)
    except ValueError as error:
        fail("checkpoint syntax", "log/checkpoint", error)
        raise
    check("every leaf present")
    entries = read_entries(store, size)
    hashes = [leaf_hash(entry) for entry in entries]
    check("root recomputed")
    if root(hashes) != head:
        fail("root recomputed", "log/checkpoint", "its root is not that of the leaves")
    leaves, keys = check_leaves(entries, key)
    check("log signature")
    if origin != key.name or all(known.text != key.text for _, known in keys.keys):
        fail("log signature", "log/checkpoint", "another log, or the supplied key is none of this log's")
    elif not keys.at(max(size - 1, 0)).verifies(note):
        fail("log signature", "log/checkpoint", "no good signature by the log's key")
    if older is None:
        skip("consistency with the older checkpoint", "none was given (--checkpoint)")
    else:
        name = "consistency with the older checkpoint"
        check(name)
        old_origin, old_size, old_head = read_checkpoint(older)
        if not (keys.signed(old_size, older) or key.verifies(older)) or old_origin != origin:
            fail(name, "the older checkpoint", "no good signature by the key of that time")
        elif old_size > size:
            fail(name, "log/checkpoint", "the tail is gone")
        elif old_size and root(hashes[:old_size]) != old_head:
            fail(name, "log/checkpoint", "the log does not extend it")
    check_tiles(store, hashes)
    check_times(leaves)
    age = int(time.time()) - head_of(leaves[-1][3])["time"] // 1_000_000 if leaves else None
    if max_age is None or age is None:
        skip("freshness", f"no limit was given (--max-age); the newest leaf is {age} s old")
    else:
        check("freshness")
        if age > max_age:
            fail("freshness", "log/checkpoint", f"the newest leaf is {age} s old")
    return leaves, size, root(hashes).hex(), keys


def check_leaves(entries, key):
    check("envelope signatures and types")
    check("epoch keys")
    parsed = []
    for index, entry in enumerate(entries):
        try:
            envelope = json.loads(entry)
            kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)
            if kind not in KINDS:
                raise ValueError(f"unknown type {kind}")
            content = json.loads(payload)
            if kind == SEGMENT and (content["predicateType"] != "urn:affidavit:segment:v1" or "segment" not in content["predicate"]):
                raise ValueError("a statement about something else")
            head_of(content)["epoch"], head_of(content)["time"], head_of(content)["writer"]
        except (ValueError, KeyError) as error:
            fail("envelope signatures and types", f"leaf {index}", error)
            continue
        parsed.append((index, envelope, kind, payload, content, entry))
    rotations = [content for _, _, kind, _, content, _ in parsed if kind == OWN.format("rotation")]
    keys = Keys(Key(rotations[0]["previous"]) if rotations else key)
    leaves, epoch, last = [], None, 0
    for index, envelope, kind, payload, content, entry in parsed:
        place = f"leaf {index}"
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        about, log_key = head_of(content), keys.at(index)
        leaves.append((index, kind, payload, content, entry))
        if kind == OWN.format("key"):
            if not signed_by(envelope, message, log_key.public):
                fail("envelope signatures and types", place, "a key is introduced without the log's key")
            if content["epoch"] != last + 1:
                fail("epoch keys", place, "epochs do not follow one another")
            last = content["epoch"]
            epoch = (last, bytes.fromhex(content["public"]), content["not_after"])
            continue
        if epoch is None:
            fail("epoch keys", place, "no key was introduced before it")
            continue
        if about["epoch"] != epoch[0] or about["time"] > epoch[2]:
            fail("epoch keys", place, "its key is not in force")
        if kind == OWN.format("rotation"):
            following, epoch = Key(content["next"]), None
            good = content["previous"] == log_key.text and following.name == log_key.name
            if good and signed_by(envelope, message, log_key.public) and signed_by(envelope, message, following.public):
                keys.keys.append((index + 1, following))
            else:
                fail("envelope signatures and types", place, "a rotation that the key before and the one that follows did not both sign")
        elif not signed_by(envelope, message, epoch[1]):
            fail("envelope signatures and types", place, f"no good signature ({kind})")
    return leaves, keys


def check_tiles(store, hashes):
    """The published hashes are those of the entries (C2SP tlog-tiles), and nothing else lies beside them."""
    check("hash tiles")
    check("files listed")
    for where, _, files in os.walk(f"{store}/log"):
        for file in files:
            path = os.path.relpath(f"{where}/{file}", f"{store}/log")
            if path not in ("checkpoint", "pending", "head") and not re.fullmatch(r"tile/(entries|[0-9]+)(/x?[0-9]{3})*(\.p/[0-9]+)?", path):
                fail("files listed", f"log/{path}", "it is no part of the log")
    if os.path.exists(f"{store}/log/pending"):
        with open(f"{store}/log/pending", "rb") as file:
            try:
                staged = json.load(file)
                entries = [json.loads(base64.b64decode(entry, validate=True))["payloadType"] for entry in staged["entries"]]
                if not staged["size"] <= len(hashes) <= staged["size"] + len(entries):
                    raise ValueError("they belong to another state of the log")
            except (ValueError, KeyError, TypeError) as error:
                fail("journal", "log/pending", f"staged leaves do not read: {error}")
    level, nodes = 0, hashes
    while nodes:
        for n in range((len(nodes) + 255) // 256):
            part = nodes[n * 256 : (n + 1) * 256]
            path = f"{store}/log/tile/{level}/{tile_number(n)}" + ("" if len(part) == 256 else f".p/{len(part)}")
            if not os.path.exists(path) or open(path, "rb").read() != b"".join(part):
                fail("hash tiles", path, "it is missing or does not hold the hashes of the entries")
        nodes = [root(nodes[n : n + 256]) for n in range(0, len(nodes) - 255, 256)]
        level += 1


def check_times(leaves):
    check("clock")
    check("heartbeats")
    interval, before, closing = None, None, False
    steps = {index: content["step"] for index, kind, _, content, _ in leaves if kind == OWN.format("clock")}
    for index, kind, _, content, _ in leaves:
        about = head_of(content)
        if before is not None:
            wall, same = about["time"] - before["time"], about["boot"] == before["boot"]
            mono = about["monotonic"] - before["monotonic"]
            told = any(abs(steps.get(n, 0) - wall) <= 5_000_000 for n in range(index, index + 3) if n in steps)
            if (same and (mono < 0 or abs(wall - mono) > 5_000_000)) or (not same and wall < -5_000_000 and not told):
                fail("clock", f"leaf {index}", "wall clock and monotonic clock disagree")
            if same and (closing or (interval is not None and mono > 2 * interval + 60_000_000)):
                fail("heartbeats", f"leaf {index}", "a heartbeat is missing, or follows the end")
        interval = content.get("heartbeat", interval)
        before, closing = about, content.get("closing", False) or kind == OWN.format("rotation")


# Retention: terms in the key leaves, holds, tombstones


def order_of(note, origin):
    """What an order says; the text must be the one form that it has."""
    words, _, _ = note.rpartition("\n\n")
    title, named, body, *rest = words.split("\n")
    if title != "affidavit order v1" or named != origin or rest:
        raise ValueError("it is not an order for this log")
    order = json.loads(body)
    if list(order) != ["id", "made", "made_by", "reason", "action"]:
        raise ValueError("it is not written in the one allowed form")
    return order


class Ledger:
    """Terms, holds and tombstones, as the leaves state them one after the other."""

    def __init__(self, origin, leaves, people):
        self.origin, self.people = origin, [Key(person) for person in people]
        self.terms, self.segments, self.holds, self.pruned, self.notes, self.unknown = None, {}, {}, set(), [], set()
        self.tombstones = []
        check("tombstones and holds")
        for index, kind, _, content, _ in leaves:
            try:
                self.take(kind, content)
            except (ValueError, KeyError, TypeError) as error:
                fail("tombstones and holds", f"leaf {index}", error)
        if self.unknown:
            skip("tombstones and holds", "; ".join(self.notes + ["signed by keys that only the log names (--signer)"]))

    def take(self, kind, content):
        if kind == OWN.format("key"):
            self.terms = content.get("retention")
        elif kind == SEGMENT:
            segment = content["predicate"]
            first = min([file["first_ts"] for file in segment["files"]] + [segment["time"]])
            self.segments[segment["segment"]] = (first, segment["time"], self.terms["keep"] if self.terms else 0)
        elif kind == OWN.format("hold") and content["event"] == "added":
            if content["hold"] in self.holds:
                raise ValueError("a hold that was added before")
            self.holds[content["hold"]] = dict(content, added=content["time"], released=None)
        elif kind == OWN.format("hold"):
            action = order_of(content["order"], self.origin)["action"]
            hold = self.holds.get(content["hold"])
            if action != {"do": "release", "hold": content["hold"]} or hold is None or hold["released"]:
                raise ValueError("it releases another hold, or one that does not hold")
            hold["released"] = (content["time"], self.two(content["order"]))
        elif kind == OWN.format("tombstone"):
            self.prune(content)

    def prune(self, content):
        order = order_of(content["order"], self.origin)
        action = order["action"]
        if action["do"] != "prune" or not action["segments"]:
            raise ValueError("it is no order to prune")
        by = self.two(content["order"])
        numbers = [n for first, last in action["segments"] for n in range(first, min(last, len(self.segments)) + 1)]
        if numbers != sorted(set(numbers)) or any(last > len(self.segments) for _, last in action["segments"]):
            raise ValueError("its segments are not in order, or not there yet")
        for number in numbers:
            first, sealed, promised = self.segments[number]
            if number in self.pruned or content["time"] < sealed + max(self.terms["keep"], promised):
                raise ValueError(f"segment {number} was pruned before, or before its time")
            for hold in self.holds.values():
                begins, ends = hold["from"], hold["to"]
                if not hold["released"] and (begins is None or begins <= sealed) and (ends is None or ends >= first):
                    raise ValueError(f"segment {number} is under a hold")
        self.pruned.update(numbers)
        self.tombstones.append((content["time"], action["segments"], order["reason"], by))
        self.notes.append(f"segments {action['segments']} pruned by {' and '.join(key.split('+')[0] for key in by)}")

    def two(self, note):
        """The people who signed, by the terms; at least two, and known ones where any are known."""
        found = {}
        for person in map(Key, self.terms["signers"] if self.terms else []):
            if person.verifies(note):
                found.setdefault(person.public, person.text)
        if len(found) < 2:
            raise ValueError(f"{len(found)} of the two signatures that it needs are there")
        if not self.people:
            self.unknown.update(found.values())
        elif len([public for public in found if any(known.public == public for known in self.people)]) < 2:
            raise ValueError("signed by people of whom fewer than two were supplied (--signer)")
        return list(found.values())


# The records


class Walk:
    """Holds the segments against each other, in their order."""

    def __init__(self, store, leaves, first, last, pruned, origin, cut=False, bodies=True):
        self.cut, self.bodies, self.ends, self.carries = cut, bodies, {}, {}
        self.store, self.leaves, self.first, self.last = store, leaves, first, last
        self.pruned, self.origin, self.gap = pruned, origin, False
        self.package, self.last_ts, self.expected = last != sys.maxsize, None, set()
        self.seen, self.open, self.chains = set(), {}, {}
        self.loaded, self.periods, self.active = {}, defaultdict(list), None
        self.approvals, self.logged, self.strangers = {}, set(), defaultdict(list)
        self.begins, self.statements, self.set_back = None, 0, 0
        self.newer_rows, self.newer = False, False

    def run(self):
        for name in (
            "segments contiguous", "files present", "file hashes", "row counts, columns, times, partitions",
            "record hashes", "session sequence", "session ids unique", "session totals", "session index",
            "open sessions carried", "row commitments", "statement bodies", "table chains", "policy versions",
            "approval state machine", "approvals", "files listed", "no identifier in masked cells",
        ):
            check(name)
        number, lsn, previous = 0, 0, ""
        for index, kind, payload, content, entry in self.leaves:
            if kind == OWN.format("policy"):
                self.logged.add(("policy", content["event"], content["version"], content["record_hash"]))
            elif kind == OWN.format("approval"):
                self.logged.add(("approval", content["event"], content["approval_id"], content["record_hash"]))
            elif kind == OWN.format("review"):
                self.logged.add(("review", "reviewed", "", content["record_hash"]))
            elif kind == OWN.format("clock") and content["why"] == "set back between two runs":
                self.set_back += max(0, -content["step"])
            if kind != SEGMENT:
                continue
            segment = content["predicate"]
            place = f"segment {segment['segment']}"
            if (segment["segment"], segment["first_lsn"], segment["previous"]) != (number + 1, lsn + 1, previous):
                fail("segments contiguous", place, "it does not follow the segment before it")
            if segment["origin"] != self.origin or segment["last_lsn"] < segment["first_lsn"]:
                fail("segments contiguous", place, "it belongs to another log, or ends before it begins")
            number, lsn, previous = segment["segment"], segment["last_lsn"], sha(payload).hex()
            copy = f"{self.store}/segments/seg-{number:08d}.json"
            if not os.path.exists(copy):
                fail("files present", copy, f"leaf {index} stands for it")
            elif open(copy, "rb").read() != entry:
                fail("files listed", copy, f"it is not leaf {index}")
            self.expected.add(copy)
            self.carries[f"{self.store}/segments/seg-{number:08d}.carry"] = segment["carry"]
            self.segment(content, place)
        self.segments = number
        for _, used in (one for some in self.strangers.values() for one in some if self.first == 1 and not self.pruned):
            fail("approval state machine", used, "used by a session of another identity, or of none")
        if self.gap:
            skip("open sessions carried", "what was open in segments that are not looked at is not known yet at the end")
        if self.cut:
            for name in ("file hashes", "session index", "open sessions carried"):
                skip(name, "a filtered package holds the records of its sessions alone: the sessions' proofs prove them")
        for kind, event, what, _ in self.logged if not self.package else ():
            name = {"policy": "policy versions", "approval": "approval state machine", "review": "table chains"}[kind]
            fail(name, f"{kind} {what} {event}", "a leaf stands for a record that is not there")
        self.listed()

    def listed(self):
        """Nothing lies in the store but what manifests list and what a writer has beside it; names are compared byte for byte."""
        name, whole = "files listed", not self.package
        for where, folders, files in os.walk(self.store):
            inside = os.path.relpath(where, self.store)
            inside = [] if inside == "." else inside.split("/")
            for folder in folders:
                parts = [*inside, folder]
                known = (
                    parts[0] == "log" or parts == ["segments"] or (whole and parts in (["journal"], ["inbox"]))
                    or (parts[0] in TABLES and (len(parts) == 1 or len(parts) == 2 and re.fullmatch("date=[0-9]{4}-[0-9]{2}-[0-9]{2}", folder)))
                )
                if os.path.islink(f"{where}/{folder}") or not known:
                    fail(name, "/".join(parts), "no store has such a folder, or it is a link")
            for file in files:
                path, parts = f"{where}/{file}", [*inside, file]
                stem, _, end = file.rpartition(".")
                own = (
                    parts == ["store.json"] or parts[0] == "log"
                    or (whole and (
                        (not inside and file in ("lock", "approvals.redb", "webhooks.redb", "credentials.redb")) or (inside == ["journal"] and stem and end in ("wal", "kept"))
                        or (inside == ["inbox"] and stem and end in ("request", "answer", "unreadable"))
                        or (inside[:1] not in (["segments"], *([table] for table in TABLES)) and re.fullmatch(r"\..*\.draft", file))
                    ))
                )
                if os.path.islink(path) or not os.path.isfile(path):
                    fail(name, path, "it is a link, or no plain file")
                elif path in self.carries:
                    if whole and sha(open(path, "rb").read()).hex() != self.carries[path]:
                        fail("file hashes", path, "it is not what its manifest says")
                elif path not in self.expected and not own:
                    if self.interrupted(file):
                        skip(name, f"the writer stopped while it sealed: {path} is made again")
                    else:
                        fail(name, path, "no manifest lists it")

    def interrupted(self, name):
        """Whether a file is left from a sealing that a crash cut off: the journal still holds what it is made of."""
        following = name.lstrip(".").startswith(f"seg-{self.segments + 1:08d}.")
        journal = f"{self.store}/journal"
        waiting = os.path.isdir(journal) and any(entry.endswith(".wal") for entry in os.listdir(journal))
        return not self.package and waiting and (following or (name.startswith(".") and name.endswith(".draft")))

    def segment(self, content, place):
        segment = content["predicate"]
        outside, gone = not self.first <= segment["segment"] <= self.last, segment["segment"] in self.pruned
        hashes = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
        if sorted(hashes) != sorted(file["name"] for file in segment["files"]):
            fail("files listed", place, "hashes are listed for files that are not described, or the other way round")
        chain, bodies, parts, texts, touched = [], {}, {}, True, {}
        for file in sorted(segment["files"], key=lambda file: (file["table"], file["date"])):
            name, table = file["name"], file["table"]
            path = f"{self.store}/{name}"
            self.expected.add(path)
            if table not in TABLES or name != f"{table}/date={file['date']}/seg-{segment['segment']:08d}.parquet":
                fail("files listed", name, "it is not where it belongs")
                continue
            early = table in ("policy_versions", "approvals") and segment["segment"] < self.first
            if (outside and not early) or (gone and table in PRUNED):
                continue
            if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
                fail("files present", name, "a manifest lists it, and it is no plain file")
                continue
            if not os.path.exists(path):
                if self.cut and table != "policy_versions" and not (table == "statement_bodies" and not self.bodies):
                    pass  # of a file that was cut nothing may be left
                elif table == "statement_bodies" and self.package:
                    texts = False
                    skip("statement bodies", "the package does not hold the exact texts; their hashes hold")
                else:
                    fail("files present", name, "a manifest lists it")
                continue
            with open(path, "rb") as raw:
                data = raw.read()
            part = self.cut and table != "policy_versions"
            if sha(data).hex() != hashes.get(name) and not part:
                fail("file hashes", name, "its SHA-256 is not the one in the manifest")
                continue
            if data[:4] == b"PARE":
                texts = False
                skip("statement bodies", "they are encrypted; their hashes hold")
                continue
            shape, stamps, before = "row counts, columns, times, partitions", [], 0
            if too_large(path):
                fail(shape, name, "it was made to fill the memory")
                continue
            for record in read_table(path):
                stamps.append(record["ts"])
                if record["lsn"] < before:
                    fail(shape, name, "it is not sorted by lsn")
                if record["schema_version"] > VERSION:
                    self.newer = True
                    skip(shape, f"{name} is of schema version {record['schema_version']}, newer than this program")
                added = {version: columns[table] for version, columns in ADDED.items() if table in columns}
                if any((record["schema_version"] >= version) != (columns[-1] in record) for version, columns in added.items()):
                    fail(shape, name, "its columns are not those of its version")
                before = record["lsn"]
                if table == "rows":
                    self.row(record, parts)
                    continue
                if table == "statement_bodies":
                    key = (record["session_id"], record["statement_id"])
                    bodies[key] = sha(
                        b"affidavit/body/v3\n" if record["schema_version"] >= 3 else b"affidavit/body/v1\n",
                        bytes.fromhex(record["salt"]), text(key[0]), struct.pack(">q", key[1]),
                        value(record["sql_text"]), value(record["params"]),
                        value(record["sent_sql"]) if record["schema_version"] >= 3 else b"",
                    ).hex()
                    continue
                self.in_range(record, segment, f"{name} lsn {record['lsn']}")
                if record_hash(table, record) != record["record_hash"]:
                    fail("record hashes", f"{name} lsn {record['lsn']}", "its content is not what its hash says")
                if table in ("sessions", "statements"):
                    chain.append((table, record))
                else:
                    self.table_record(table, record)
            if part:
                continue
            if len(stamps) != file["rows"] or len(data) != file["bytes"]:
                fail(shape, name, f"{len(stamps)} rows, the manifest says {file['rows']}; or another size")
            if stamps and (min(stamps), max(stamps)) != (file["first_ts"], file["last_ts"]):
                fail(shape, name, "its times are not those in the manifest")
            if stamps and moment(max(stamps))[:10] != file["date"]:
                fail(shape, name, "it is in another date's partition")
        if outside or gone:
            if outside:
                self.chains = {table: (chain["count"], chain["head"]) for table, chain in segment["chains"].items()}
            else:
                self.tables(segment, place)
            if segment["segment"] <= self.last and not self.cut:
                self.begins, self.gap = segment["time"], True
                for track in self.open.values():
                    track["partial"], track["stale"] = True, True
                    track["parts"].clear()
            return
        order = {"open": 0, "denied": 0, "close": 2}
        chain.sort(key=lambda item: (item[1]["lsn"], order.get(item[1].get("event"), 1), item[1].get("session_seq", 0)))
        opened = {record["session_id"] for table, record in chain if record.get("event") == "open"}
        stamps = [record["ts"] for _, record in chain]
        for (session, statement), part in parts.items():
            if session not in self.open and session not in opened and not self.gap:
                fail("row commitments", f"session {session}", "rows of a session that is not open")
            track = self.track(session)
            before, rows, odd = track["parts"].get(statement, (bytes(32), 0, set()))
            commit = sha(b"affidavit/rows-commit/v1\n", before, part["hash"].digest())
            track["parts"][statement] = (commit, rows + part["rows"], odd | part["odd"])
        for table, record in chain:
            self.chain_record(table, record, bodies, texts, touched)
        for session, statement in bodies:
            fail("statement bodies", f"session {session} statement {statement}", "a body without its statement")
        newest = max(stamps + ([self.last_ts] if self.last_ts else []), default=None)
        self.last_ts, self.set_back = newest and newest - self.set_back, 0
        self.roots(segment, touched, place)

    def in_range(self, record, segment, place):
        if not segment["first_lsn"] <= record["lsn"] <= segment["last_lsn"]:
            fail("segments contiguous", place, "the record's number is outside of its segment")
        slack = 5_000_000 + self.set_back
        early = self.last_ts is not None and record["ts"] < self.last_ts - slack
        if record["ts"] > segment["time"] + slack or early:
            fail("clock", place, "made after its segment, or before the records of the segment before")

    def track(self, session):
        return self.open.setdefault(
            session, {"seq": 0, "head": ZERO, "statements": 0, "rows": 0, "bytes": 0, "parts": {}, "partial": False, "stale": False}
        )

    def row(self, record, parts):
        key, version = (record["session_id"], record["statement_id"]), record["schema_version"]
        if version > VERSION:
            self.newer_rows = True
            skip("row commitments", "rows of a newer version than this program knows; the hashes of their files hold")
            return
        owner = (version, record.get("user_id"), record.get("datasource"))
        part = parts.get(key)
        if part is None:
            part = parts[key] = {"hash": hashlib.sha256(), "rows": 0, "columns": None, "odd": set(), "owner": owner}
            part["hash"].update(b"affidavit/rows/v%d\n" % min(version, 2) + text(key[0]) + struct.pack(">q", key[1]))
            if version >= 2:
                part["hash"].update(value(owner[1]) + value(owner[2]))
        if part["owner"] != owner:
            part["hash"] = hashlib.sha256(b"rows of several owners")
        columns = value(record["columns"])
        same, part["columns"] = columns == part["columns"], columns
        part["hash"].update(
            value(record["result_set"]) + value(record["row_index"]) + (b"\2" if same else columns)
            + value(record["values"]) + value(record["overflow"]) + (value(record["shown"]) if version >= 2 else b"")
        )
        part["rows"] += 1
        for at, cell in enumerate((record["values"] or [])[:64]):
            if cell is not None and IDENTIFIER.search(cell):
                part["odd"].add(at)

    def chain_record(self, table, record, bodies, texts, touched):
        session, event = record["session_id"], record.get("event")
        place = f"session {session} lsn {record['lsn']}"
        if event in ("open", "denied"):
            if session in self.seen:
                fail("session ids unique", place, "this session id was used before")
            if record["prev_hash"] != ZERO:
                fail("session sequence", place, "the first record of a session names one before it")
        elif session in self.open and self.open[session]["stale"] or (self.gap and session not in self.seen):
            track = self.track(session)
            track["partial"], track["stale"], track["head"] = True, False, record["prev_hash"]
            track["seq"] = record["session_seq"] if table == "statements" else record["statement_count"] + 1
        elif session not in self.seen:
            fail("session sequence", place, "its session was never opened")
        self.seen.add(session)
        track = self.track(session)
        if record["prev_hash"] != track["head"]:
            fail("session sequence", place, "it does not follow the record before it")
        before, track["head"] = track["head"], record["record_hash"]
        track["seq"] += 1
        touched[session] = self.ends[session] = (track["seq"], track["head"])
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
        commit, rows, odd = track["parts"].pop(key[1], (None, 0, set()))
        for at, column in enumerate((record["result_columns"] or [])[:64]):
            if at in odd and column["mask"] in ("redact", "null", "year", "zip3", "hash"):
                fail("no identifier in masked cells", place, f"column {at + 1} is masked, yet a value looks like an identifier")
        elsewhere = track["partial"] and (record["sent"] is None or record["sent"] < (self.begins or 0)) or self.newer_rows
        mine = f"{record.get('issuer') or ''}|{record.get('user_id')}"
        if record.get("user_id") and track.get("owner") and track["owner"] != mine:
            fail("session sequence", place, "it names another identity than its session")
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

        if self.cut:
            self.tables(segment, place)
            return
        if root([leaf(s, *touched[s]) for s in sorted(touched)]).hex() != segment["sessions_root"]:
            fail("session index", place, "its sessions are not those in the manifest")
        self.tables(segment, place)
        known = [
            leaf(s, t["seq"], t["head"], t["statements"], t["rows"], t["bytes"])
            for s, t in sorted(self.open.items()) if not t["stale"]
        ]
        same = root(known).hex() == segment["open_root"] and len(known) == segment["open_sessions"]
        if same and self.gap:
            # All that is open is known again, with its totals: from here on nothing may be missing.
            self.open = {session: track for session, track in self.open.items() if not track["stale"]}
            self.gap = False
        elif not same and not self.gap:
            fail("open sessions carried", place, "the sessions open at its end are not those in the manifest")

    def tables(self, segment, place):
        stated = {table: (chain["count"], chain["head"]) for table, chain in segment["chains"].items()}
        if self.cut:
            stated = {table: head for table, head in stated.items() if table == "policy_versions"}
            self.chains = {table: chain for table, chain in self.chains.items() if table == "policy_versions"}
        if stated != self.chains:
            fail("table chains", place, "the chains of its tables are not those in the manifest")
        if segment["policy"] != self.active:
            fail("policy versions", place, "the policy in force is not the one in the manifest")

    def table_record(self, table, record):
        place = f"{table} lsn {record['lsn']}"
        count, head = self.chains.get(table, (0, ZERO))
        if record["prev_hash"] != head and (table == "policy_versions" or not self.cut):
            fail("table chains", place, "it does not follow the record before it")
        self.chains[table] = (count + 1, record["record_hash"])
        if table == "policy_versions":
            self.policy(record, place)
        elif table == "approvals":
            self.approval(record, place)
        elif table == "reviews":
            self.leaf("table chains", ("review", "reviewed", "", record["record_hash"]), place)

    def leaf(self, name, what, place):
        if what not in self.logged:
            fail(name, place, "no leaf in the log stands for it before its segment")
        self.logged.discard(what)

    def policy(self, record, place):
        name, version, event = "policy versions", record["version"], record["event"]
        self.leaf(name, ("policy", event, version, record["record_hash"]), place)
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
        if not version and not approval:
            return
        slack = 24 * 3_600_000_000 if approval else 60_000_000
        held = any(start <= at and (end is None or at <= end + slack) for start, end in self.periods.get(version, []))
        if self.loaded.get(version, lsn) >= lsn or not held:
            fail("policy versions", place, f"policy {version} was not in the store before, or not in force")

    def approval(self, record, place):
        name, key, event = "approval state machine", record["approval_id"], record["event"]
        self.leaf(name, ("approval", event, key, record["record_hash"]), place)
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
    """Takes plain stored files out of an archive in which nothing lies before, between or behind them."""
    name = "archive safety"
    check(name)
    with open(path, "rb") as file:
        data = file.read()
    end = data[-22:]
    if len(end) < 22 or end[:8] != b"PK\5\6\0\0\0\0" or end[8:10] != end[10:12] or end[20:] != b"\0\0":
        raise ValueError("it is no ZIP file that Affidavit wrote")
    count, length, start = struct.unpack_from("<HII", end, 10)
    if start + length + 22 != len(data):
        raise ValueError("its directory does not end where it should")
    seen, at, expected = set(), start, 0
    for _ in range(count):
        if data[at : at + 4] != b"PK\1\2":
            raise ValueError("its directory is damaged")
        head = data[at + 6 : at + 32]
        method, crc, packed, size, wide, extra = struct.unpack_from("<4xH4xIIIHH", head)
        comment, mode, offset = struct.unpack_from("<H4xII", data, at + 32)
        raw = data[at + 46 : at + 46 + wide]
        at += 46 + wide + extra + comment
        label = raw.decode(errors="replace")
        parts = label.split("/")
        inside = all(parts) and not {".", ".."} & set(parts) and not set("\\\0\ufffd") & set(label)
        stored = data[offset + 30 + wide : offset + 30 + wide + size]
        if offset != expected:
            fail(name, label, "bytes lie between the entries")
        expected = offset + 30 + wide + size
        if not inside or label in seen or mode >> 16 & 0o170000 != 0o100000 or method or packed != size or extra or comment:
            fail(name, label, "it leads elsewhere, is there twice, is a link, or is not stored")
        elif data[offset : offset + 30 + wide] != b"PK\3\4" + head + raw or zlib.crc32(stored) != crc or len(stored) != size:
            fail(name, label, "the directory and the entry disagree, or its checksum does not hold")
        else:
            seen.add(label)
            os.makedirs(os.path.dirname(f"{folder}/{label}"), exist_ok=True)
            with open(f"{folder}/{label}", "xb") as file:
                file.write(stored)
    if expected != start or at != len(data) - 22:
        fail(name, "the directory", "bytes follow the last entry")
    return seen


def check_bag(folder, names):
    check("bag structure and payload set")
    check("bag hashes")
    payload = {name for name in names if name.startswith("data/")}
    tags = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt")
    for name in sorted(names - payload - set(tags) - {"signature.note", "tagmanifest-sha256.txt", "tagmanifest-sha512.txt"}):
        fail("bag structure and payload set", name, "it is no part of the package")
    with open(f"{folder}/bagit.txt", "rb") as file:
        if file.read() != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n":
            fail("bag structure and payload set", "bagit.txt", "it is not the declaration of a BagIt 1.0 bag")
    for algorithm in ("sha256", "sha512"):
        lines = {}
        for manifest in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
            with open(f"{folder}/{manifest}") as file:
                pairs = [line.rstrip("\n").split("  ", 1)[::-1] for line in file]
            found = dict(pairs)
            if len(found) != len(pairs):
                fail("bag structure and payload set", manifest, "it names a file twice")
            if manifest.startswith("tag") and tuple(found) != tags:
                fail("bag structure and payload set", manifest, "it does not list exactly the tag files")
            if manifest.startswith("manifest") and set(found) != payload:
                fail("bag structure and payload set", manifest, f"not the payload: {sorted(set(found) ^ payload)[:3]}")
            lines.update(found)
        for name, digest in lines.items():
            if name in names:
                with open(f"{folder}/{name}", "rb") as file:
                    if hashlib.new(algorithm, file.read()).hexdigest() != digest:
                        fail("bag hashes", name, f"its {algorithm} is not the one listed")


def check_signature(folder, names, keys, size, unsigned):
    if "signature.note" not in names:
        if unsigned:
            skip("package signature", "nobody signed the package: whoever made it could have left out anything")
        else:
            fail("package signature", "signature.note", "it is missing (--unsigned looks at the rest)")
        return
    check("package signature")
    with open(f"{folder}/tagmanifest-sha256.txt", "rb") as file:
        expected = f"affidavit package v1\n{sha(file.read()).hex()}\n\n"
    with open(f"{folder}/signature.note") as file:
        note = file.read()
    more = [line for line in note[len(expected) :].splitlines() if not re.fullmatch(r"— \S+ \S+", line)]
    if not note.startswith(expected) or more or not keys.signed(size, note):
        fail("package signature", "signature.note", "no good signature by the log's key over this package")


PROGRAM = "data/tools/verify.py"
# The SHA-256 of the texts that every package holds as they are.
OWN_TEXTS = {
    "data/README.md": "b4389a1a72c1b1e3521d37269cbd38f1ed5b325ea38ce2c7dc5955e42d984333",
    "data/VERIFY.md": "a747e2b707fcd0808ce6c8cb06170927ca789a5a0110e8aca0ccf034d9603e7d",
}


def check_own_words(folder, names):
    """The package's own texts and program are those of this program's release."""
    name = "texts and program of the package"
    check(name)
    known = dict(OWN_TEXTS)
    try:
        with open(__file__, "rb") as file:
            known[PROGRAM] = sha(file.read()).hex()
    except (NameError, OSError):
        skip("program of the package", "this program came through a pipe and has no file that the package's could be held against")
    for path, digest in known.items():
        if path not in names or sha(open(f"{folder}/{path}", "rb").read()).hex() != digest:
            fail(name, path, "it is not the one that Affidavit puts into packages; take it from a release, not from here")
    rooms = ("data/csv/", "data/policies/", "data/proofs/", "data/store/")
    for path in sorted(names):
        fixed = path in known or path in (PROGRAM, "data/scope.json", "data/report.html") or path.startswith(rooms)
        if path.startswith("data/") and not fixed:
            fail(name, path, "no package has such a file")


# What was derived: CSV, report, policy texts

TIMES = {"ts", "token_expires", "sent", "first_row", "end", "effective_from", "effective_until", "valid_from", "valid_until"}
NO_BODIES = "the exact texts and parameters of statements. Their hashes are; export with --with-bodies to have both."
CUT = "the records of other sessions and their approvals, and who read or reviewed the record. left_out counts them."
NUMBER = re.compile(r"[+-]?(inf|infinity|nan|([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?)", re.IGNORECASE)


HIDDEN = re.compile(
    "[\0-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def visible(item):
    """A text as the report shows it: what a reader does not see by its number."""
    named = {"\n": "\u23ce", "\t": " "}
    return HIDDEN.sub(lambda hidden: named.get(hidden[0], f"\u27e8U+{ord(hidden[0]):04X}\u27e9"), item)


def escape(item):
    """A text in HTML."""
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        item = item.replace(plain, escaped)
    return visible(item)


# The report's sections, and the SHA-256 of what in it is always the same.
SECTIONS = {
    "coverage": "Coverage", "people": "Who was there", "refused": "Refused logins", "data": "Protected data touched",
    "decisions": "Decisions", "approvals": "Approvals", "policies": "Policies", "exceptions": "Exceptions",
    "retention": "Retention and holds", "readings": "Reviews and readings of the record", "controls": "Controls",
}
STYLE = "e4cac8702586ea142075b7c855af3c9cb8bdfef5d64a3c45a955bb25069c5887"
CONTROLS = "4ce362a69c18c9b1b42a4272ef1dc02ed562591fc88803edd9db9dc9fa2d2388"
UNMASKED = "UNMASKED, exempt by rule"


def cell(name, item):
    """A value as one cell of a table."""
    if item is None:
        return ""
    if name in TIMES:
        return moment(item)
    if isinstance(item, list):
        return json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return str(item)


def csv_field(item):
    if item[:1] in ("=", "+", "-", "@", "\t", "\r") and item and not NUMBER.fullmatch(item):
        item = "'" + item
    return '"' + item.replace('"', '""') + '"' if re.search('[,;"\n\r\t]', item) else item


class Derived:
    """The records in scope, and what is made of them."""

    def __init__(self, bag, scope, leaves, ledger):
        self.bag, self.scope, self.ledger, self.records = bag, scope, ledger, defaultdict(list)
        self.everything, self.counts = defaultdict(list), defaultdict(int)
        sessions = set(scope["sessions"])
        for _, kind, _, content, _ in leaves:
            for file in content["predicate"]["files"] if kind == SEGMENT else ():
                path, table = f"{bag}/data/store/{file['name']}", file["table"]
                if not os.path.exists(path) or open(path, "rb").read(4) == b"PARE":
                    continue
                for record in read_table(path):
                    self.counts[content["predicate"]["segment"], table] += 1
                    if table in ("sessions", "statements"):
                        self.everything[table].append(record)
                    everywhere = table in ("policy_versions", "reviews", "audit_accesses")
                    nobodys = table == "approvals" and not record["session_id"]
                    if everywhere or nobodys or record["session_id"] in sessions:
                        self.records[table].append(record)

    def check(self, names):
        name = "report and CSV derived from the originals"
        check(name)
        if any(record["schema_version"] > VERSION for some in self.records.values() for record in some):
            skip(name, "the package holds records of a newer version than this program knows")
            return
        expected = set()
        for table in TABLES:
            path = f"data/csv/{table}.csv"
            records = self.records[table]
            if not records:
                continue
            expected.add(path)
            columns = list(max(records, key=lambda record: record["schema_version"]))
            lines = [",".join(columns)]
            lines += [",".join(csv_field(cell(column, record.get(column))) for column in columns) for record in records]
            made = "".join(line + "\r\n" for line in lines).encode()
            if path not in names or open(f"{self.bag}/{path}", "rb").read() != made:
                fail(name, path, "it is not what the Parquet files say")
        for path in sorted(names):
            if path.startswith("data/csv/") and path not in expected:
                fail(name, path, "nothing in the Parquet files stands behind it")
            if path.startswith("data/policies/"):
                with open(f"{self.bag}/{path}", "rb") as file:
                    if sha(file.read()).hex() + ".toml" != os.path.basename(path):
                        fail(name, path, "its text does not have the hash in its name")
        self.report(name)

    def report(self, name):
        """The whole page is made again and compared, byte for byte; of its style and its list of controls the hash is known."""
        with open(f"{self.bag}/data/report.html", encoding="utf-8", newline="") as file:
            page = file.read()
        style, controls = re.search("<style>(.*?)</style>", page, re.DOTALL), re.search("<table id=controls-table>.*?</table>\n", page, re.DOTALL)
        if not style or not controls or sha(style[1].encode()).hex() != STYLE or sha(controls[0].encode()).hex() != CONTROLS:
            fail(name, "data/report.html", "its style or its list of controls is not that of a report")
        elif page != self.render(style[1], controls[0]):
            fail(name, "data/report.html", "it is not what the Parquet files and the log say")

    def render(self, style, controls):
        tables, charts, figures, scope = *self.figures(), self.scope
        asked, terms = scope["question"], self.ledger.terms
        span = [moment(asked[end]) if asked[end] is not None else f"the {word}" for end, word in (("from", "beginning"), ("to", "end"))]
        words = " to ".join(span) + "".join(
            f", {what} {asked[what]}" for what in ("identity", "datasource", "table", "session", "approval") if asked[what] is not None
        )

        def table(key, header, none):
            if not tables[key]:
                return f"<p class=none>{none}</p>\n"
            head = "".join(f"<th scope=col>{column}</th>" for column in header.split(","))
            cells = ["".join(f"<td{' class=l' if len(item.encode()) > 40 else ''}>{escape(item)}</td>" for item in row) for row in tables[key]]
            return f"<table id={key}><thead><tr>{head}</tr></thead><tbody>\n" + "".join(f"<tr>{row}</tr>\n" for row in cells) + "</tbody></table>\n"

        def bars(key, title):
            made = charts[key]
            if len(made) < 2:
                return ""
            most = max(max(number for _, number in made), 1)
            out = f"<figure><figcaption>{title}</figcaption><svg id={key} viewBox=\"0 0 720 {len(made) * 24}\" role=img aria-label=\"{title}\">\n"
            for at, (item, number) in enumerate(made):
                y, wide = at * 24, -(-number * 380 // most)
                out += (
                    f"<g><text x=250 y={y + 16} text-anchor=end>{escape(item)}</text><rect x=258 y={y + 4} width={wide} height=15 rx=2 />"
                    f"<text class=n x={266 + wide} y={y + 16}>{number}</text></g>\n"
                )
            return out + "</svg></figure>\n"

        def section(key):
            return f"<h2 id={key}>{SECTIONS.get(key, 'How to verify')}</h2>\n"

        labels = ("sessions in that time", "sessions included", "statements", "rows returned", "logins refused", "sessions without an end yet")
        out = (
            '<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width">'
            f"<title>Access report: {escape(scope['origin'])}</title><style>{style}</style></head><body>\n<h1>Access to protected data</h1>\n"
            f"<p>Record of <b>{escape(scope['origin'])}</b>, {escape(words)}. Made {escape(scope['made'][:19].replace('T', ' '))} by "
            f"{escape(scope['made_by'])}. All times are UTC.</p>\n<nav>"
        )
        out += " · ".join(f'<a href="#{key}">{title}</a>' for key, title in SECTIONS.items()) + "</nav>\n"
        out += section("coverage") + "<div class=big>\n"
        out += "".join(f"<div>{number}<small>{label}</small></div>\n" for number, label in zip(figures, labels, strict=True))
        out += (
            f"</div>\n<p>Segments {scope['first_segment']} to {scope['last_segment']} of the store, and all {scope['tree_size']} leaves of its log.</p>\n"
        )
        if any(asked[what] is not None for what in ("identity", "datasource", "table", "session", "approval")):
            out += (
                "<p class=note><b>This is a filtered export.</b> It proves that what it holds is genuine and complete against the log, "
                "not that the filter was fair: compare the population with what you expect.</p>\n"
            )
        out += "".join(f"<p class=note>Not included: {escape(what)}</p>\n" for what in scope["excluded"])
        out += bars("days", "Statements by day") + section("people") + bars("busiest", "Statements by identity (the 15 with the most)")
        out += table("people-table", "identity,sessions,statements,rows", "No sessions.") + section("refused")
        out += table("refused-table", "when,claimed user,subject (unproven),issuer,client,reason", "None.")
        if figures[4] > 200:
            out += "<p>The first 200; all are in csv/sessions.csv.</p>\n"
        out += section("data") + "<p>Columns under a rule, how they were shown, and in how many returned rows.</p>\n"
        out += bars("shown", "Cells of protected columns, by how they were shown")
        out += table("data-table", "column,classification,shown as,rows", "None.")
        out += table("tables-table", "table and access,statements", "No statement touched a table.")
        out += section("decisions") + table("decisions-table", "decision,statements", "None.") + table("outcomes-table", "outcome,statements", "None.")
        out += section("approvals")
        out += table("approvals-table", "asked,who asked,for,what happened,justification,id", "No statement in scope needed one.")
        out += section("policies") + "<p>The text of every version is in <code>policies/</code>.</p>\n"
        out += table("policies-table", "when,event,version,in force from,until,author,reason,commit", "None.")
        out += section("exceptions") + "<p>Statements that were refused, failed, cancelled or interrupted.</p>\n"
        out += table("exceptions-table", "when,decision,rule,outcome,error,statement,session,number", "None.")
        if len(tables["exceptions-table"]) == 200:
            out += "<p>The first 200; all are in csv/statements.csv.</p>\n"
        out += section("retention")
        if not terms:
            out += "<p class=none>No retention is configured: nothing is ever removed.</p>\n"
        else:
            people = ", ".join(escape(person) for person in terms["signers"])
            out += f"<p>Kept for {terms['keep'] // 86_400_000_000} days at least. Any two of these may order what follows: <code>{people}</code></p>\n"
            out += table("holds-table", "added,by,reason,covers from,until,state,hold", "No legal hold.")
            out += table("pruned-table", "when,segments removed,reason,ordered by", "Nothing was removed.")
        out += section("readings") + table("readings-table", "when,who,did,what,finding", "None in the segments included.")
        out += section("controls") + controls + section("verify")
        return out + (
            "<p>See <code>VERIFY.md</code>. This page is derived from the Parquet files and the log in <code>store/</code>; verification derives it "
            "again. The log's key must reach you by another way than this package.</p>\n</body></html>\n"
        )

    def figures(self):
        def short(micros):
            return "" if micros is None else moment(micros)[:19].replace("T", " ")

        def row(record, *columns):
            return [short(record["ts"])] + [cell(column, record[column]) for column in columns]

        def count(items):
            counts = defaultdict(int)
            for item in items:
                counts[item] += 1
            return counts

        def listing(counts):
            return [[key, str(number)] for key, number in sorted(counts.items())]

        opened = {r["session_id"]: r for r in self.records["sessions"] if r["event"] == "open"}
        closed = {r["session_id"] for r in self.records["sessions"] if r["event"] == "close"}
        denied = [r for r in self.records["sessions"] if r["event"] not in ("open", "close")]
        who = {key: f"{r['user_email'] or ''} ({r['user_id'] or ''})" for key, r in opened.items()}
        people = {name: [0, 0, 0] for name in who.values()}
        for name in who.values():
            people[name][0] += 1
        statements, masked, shown = self.records["statements"], defaultdict(int), defaultdict(int)
        for record in statements:
            if record["session_id"] in who:
                people[who[record["session_id"]]][1] += 1
                people[who[record["session_id"]]][2] += record["row_count"]
            for column in record["result_columns"] or []:
                if column["classification"] == "open":
                    continue
                source = f"{column['name'] or ''} (origin not proven)"
                if column["source_table"] is not None and column["source_column"] is not None:
                    source = f"{column['source_table']}.{column['source_column']}"
                raw = column["mask"] in (None, "keep") or column.get("shown") == "raw"
                mask = UNMASKED if raw else column["mask"]
                masked[source, column["classification"] or "", mask] += record["row_count"]
        for (_, _, mask), rows in masked.items():
            shown[mask] += rows
        approvals = {}
        for record in self.records["approvals"]:
            key, event = record["approval_id"], record["event"]
            line = approvals.setdefault(key, row(record, "requester", "scope") + ["", "", key])
            by = f" by {record['approver']}" if record["approver"] else ""
            line[3] += ("; " if line[3] else "") + f"{short(record['ts'])} {event}{by}"
            if record["justification"] and event != "requested":
                line[4] += ("; " if line[4] else "") + record["justification"]
        odd = [r for r in statements if r["status"] not in ("completed", "not-executed")][:200]
        readings = self.records["reviews"] + self.records["audit_accesses"]
        tables = {
            "people-table": [[name] + [str(n) for n in totals] for name, totals in sorted(people.items())],
            "refused-table": [row(r, "claimed_user", "user_id", "issuer", "client_addr", "close_reason") for r in denied[:200]],
            "data-table": [[*key, str(rows)] for key, rows in sorted(masked.items())],
            "tables-table": listing(count(name for r in statements for name in r["tables"] or [])),
            "decisions-table": listing(count(r["decision"] for r in statements)),
            "outcomes-table": listing(count(r["status"] for r in statements)),
            "approvals-table": list(approvals.values()),
            "policies-table": [
                row(r, "event", "version") + [short(r["effective_from"]), short(r["effective_until"])]
                + row(r, "author", "change_reason", "git_commit")[1:]
                for r in self.records["policy_versions"]
            ],
            "exceptions-table": [
                row(r, "decision", "rule", "status", "error_code", "sql_normalized", "session_id", "statement_id") for r in odd
            ],
            "readings-table": [row(r, "actor", "action", "scope", "finding") for r in readings],
        }
        if self.ledger.terms:
            tables["holds-table"] = [
                [short(h["added"]), h["by"], h["reason"], short(h["from"]), short(h["to"]),
                 f"released {short(h['released'][0])} by {' and '.join(h['released'][1])}" if h["released"] else "holds", key]
                for key, h in sorted(self.ledger.holds.items())
            ]
            tables["pruned-table"] = [
                [short(when), ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in segments), reason, " and ".join(by)]
                for when, segments, reason, by in self.ledger.tombstones
            ]
        busiest = sorted(people.items(), key=lambda item: (-item[1][1], item[0]))[:15]
        days = sorted(count(moment(r["ts"])[:10] for r in statements).items())
        bars = {
            "days": days if len(days) <= 92 else [],
            "busiest": [(name[:38] + "…" if len(name) > 38 else name, totals[1]) for name, totals in busiest],
            "shown": sorted(shown.items()),
        }
        figures = [
            self.scope["population"], len(self.scope["sessions"]), len(statements), sum(r["row_count"] for r in statements),
            len(denied), len(set(opened) - closed),
        ]
        return tables, bars, figures


def check_scope(scope, derived, leaves, names, pruned):
    """What the package says of itself, derived again."""
    name, place, asked, cut = "report and CSV derived from the originals", "data/scope.json", scope["question"], scope.get("cut", False)
    segments = [content["predicate"] for _, kind, _, content, _ in leaves if kind == SEGMENT]
    for segment in segments:
        gone = PRUNED if segment["segment"] in pruned else ()
        segment["files"] = [file for file in segment["files"] if file["table"] not in gone]
    if scope["format"] not in ("affidavit package 1", "affidavit package 2"):
        fail(name, place, "its format is not one that this program knows")
    if any(segment["writer"] != scope["writer"] for segment in segments):
        fail(name, place, "it names another writer")
    begins, ends = asked["from"], asked["to"]
    inside = [
        record for record in derived.everything["sessions"]
        if record["event"] != "close" and (begins is None or record["ts"] >= begins) and (ends is None or record["ts"] <= ends)
    ]
    picked = {
        record["session_id"] for record in inside
        if asked["identity"] in (None, record["user_id"] or "", record["user_email"] or "")
        and asked["datasource"] in (None, record["server"] or "") and record["session_id"].startswith(asked["session"] or "")
    }
    if asked["table"] is not None or asked["approval"] is not None:
        def touches(used):
            table = used.rsplit(":", 1)[0]
            return asked["table"] in (table, table.rsplit(".", 1)[-1] if "." in table else table)

        picked &= {
            record["session_id"] for record in derived.everything["statements"]
            if asked["approval"] in (None, record["approval_id"] or "")
            and (asked["table"] is None or any(touches(used) for used in record["tables"] or []))
        }
    if sorted(picked) != sorted(scope["sessions"]):
        fail(name, place, f"its question picks {len(picked)} sessions here, it lists {len(scope['sessions'])}")
    lsns = [r["lsn"] for table in ("sessions", "statements") for r in derived.everything[table] if r["session_id"] in scope["sessions"]]
    lies = [segment["segment"] for segment in segments if any(segment["first_lsn"] <= lsn <= segment["last_lsn"] for lsn in (min(lsns), max(lsns)))] if lsns else [1, 0]
    first, last = lies[0], lies[-1]
    if (first, last) != (scope["first_segment"], scope["last_segment"]):
        fail(name, place, f"its sessions lie in segments {first} to {last}")
    whole, most = not cut, 0
    for segment in segments:
        for file in segment["files"]:
            if file["table"] == "sessions" and (begins is None or file["last_ts"] >= begins) and (ends is None or file["first_ts"] <= ends):
                most += file["rows"]
                whole = whole and first <= segment["segment"] <= last
    if not len(inside) <= scope["population"] <= most or (whole and scope["population"] != len(inside)):
        fail(name, place, f"it says that {scope['population']} sessions began in that time, here are {len(inside)}")
    filtered = any(asked[what] is not None for what in ("identity", "datasource", "table", "session", "approval"))
    if not filtered and (cut or scope["population"] != len(picked)):
        fail(name, place, "nothing but time narrows its question, yet sessions of that time are left out")
    bodies = NO_BODIES not in scope["excluded"]
    if scope["excluded"] != [NO_BODIES] * (not bodies) + [CUT] * cut:
        fail(name, place, "what it says is left out is not what a package leaves out")
    if not bodies and any(path.startswith("data/store/statement_bodies/") for path in names):
        fail(name, place, "exact texts are here, though it says that they are left out")
    left = []
    for segment in segments if cut else ():
        stated = defaultdict(int)
        for file in segment["files"] if segment["segment"] <= last else ():
            early = segment["segment"] < first and file["table"] != "approvals"
            if file["table"] != "policy_versions" and not early and (bodies or file["table"] != "statement_bodies"):
                stated[file["table"]] += file["rows"]
        for table in TABLES_IN_ORDER:
            missing = stated[table] - derived.counts[segment["segment"], table]
            if missing > 0:
                left.append({"segment": segment["segment"], "table": table, "records": missing})
    if scope.get("left_out", []) != left:
        fail(name, place, "the counts of what was left out are not those of the manifests and the files")


def check_proofs(folder, scope, size, head, ends):
    check("session proofs")
    for session in sorted(set(ends) - set(scope["sessions"])) if scope.get("cut") else ():
        fail("session proofs", session, "a filtered package holds records of a session outside of its scope")
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
        if ends.get(session) != (proof["records"], proof["head"]):
            fail("session proofs", session, "it is about another end of the session than its records have")


# The journal: frames that no segment holds yet, held against what the writer signed of them

HEAD = OWN.format("head")
FILE_HEADER, FRAME_HEADER, NAMELESS = 64, 32, 1 << 62
WINDOW = 60_000_000
CRC = []
for byte in range(256):
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    CRC.append(byte)


def crc32c(*parts):
    state = 0xFFFFFFFF
    for part in parts:
        for byte in part:
            state = CRC[(state ^ byte) & 255] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def frame_at(data, at, salt):
    """Flags, lsn, time, header, payload and end of the frame at an offset; None where there is none."""
    header = data[at : at + FRAME_HEADER]
    if len(header) < FRAME_HEADER or header[24:28] != salt:
        return None
    length, kind, flags, zero, lsn, ts = struct.unpack(">IBBHQq", header[:24])
    payload = data[at + FRAME_HEADER : at + FRAME_HEADER + length]
    if kind == 0 or zero or len(payload) != length or crc32c(payload, header[:28]) != int.from_bytes(header[28:], "big"):
        return None
    return flags, lsn, ts, header, payload, at + FRAME_HEADER + (length + 7) // 8 * 8


def frames_of(data, salt):
    """Frames begin at multiples of eight; behind a damaged place the next one is told by its salt."""
    at = FILE_HEADER
    while at + FRAME_HEADER <= len(data):
        found = frame_at(data, at, salt)
        if found:
            yield found
            at = found[5]
            continue
        place = data.find(salt, at + 25)
        while place >= 0 and place % 8:
            place = data.find(salt, place + 1)
        if place < 0:
            return
        at = place - 24


def journal_files(store):
    """The files with frames, in the order of their records: (first lsn, number, salt, boot, bytes)."""
    found = []
    for name in sorted(os.listdir(f"{store}/journal")) if os.path.isdir(f"{store}/journal") else []:
        if not name.endswith(".wal"):
            continue
        with open(f"{store}/journal/{name}", "rb") as file:
            data = file.read()
        magic, number, first, _, _, salt, crc = struct.unpack(">8sQQq16s4sI", data[:56].ljust(56, b"\0"))
        if magic == b"AFFDVJ01" and crc == crc32c(data[:52]):
            found.append((first, number, salt, data[32:48], data))
            continue
        # Its header is gone: the frames have the salt, too.
        for at in range(FILE_HEADER, len(data) - FRAME_HEADER, 8):
            salt = data[at + 24 : at + 28]
            stray = frame_at(data, at, salt) if salt != b"\0" * 4 else None
            if stray:
                found.append((stray[1], NAMELESS + len(found), salt, b"", data))
                break
    return sorted(found, key=lambda file: file[:2])


def signed_heads(store, leaves):
    """What is proven of the journal: where it is sealed, the heads behind, whether heads were promised, what is wrong."""
    sealed, base, keys, proven, boot, owed = 0, bytes(32), {}, {}, None, False
    for _, kind, _, content, _ in leaves:
        about = head_of(content)
        if about["boot"] != boot:
            boot, owed = about["boot"], False
        if kind == OWN.format("key"):
            keys[about["epoch"]] = (about["boot"], bytes.fromhex(content["public"]))
        elif kind == SEGMENT:
            sealed, base = about["last_lsn"], bytes.fromhex(about.get("journal") or "00" * 32)
        elif kind == OWN.format("heartbeat") and content.get("journal"):
            proven[content["last_lsn"]] = (bytes.fromhex(content["journal"]), "")
            owed = not content["closing"]
        elif kind == OWN.format("rotation"):
            owed = False
    own = False
    try:
        with open(f"{store}/log/head", "rb") as file:
            lines = file.read(4 << 20).split(b"\n")
    except OSError:
        lines = []
    for line in filter(None, lines):
        try:
            envelope = json.loads(line)
            payload = base64.b64decode(envelope["payload"], validate=True)
            head = json.loads(payload)
            made_in, public = keys[head["epoch"]]
            message = f"DSSEv1 {len(HEAD)} {HEAD} {len(payload)} ".encode() + payload
            if envelope["payloadType"] == HEAD and head["boot"] == made_in and signed_by(envelope, message, public):
                proven[head["last_lsn"]] = (bytes.fromhex(head["journal"]), head["machine"])
                own = own or head["boot"] == boot
        except (ValueError, KeyError, TypeError):
            continue
    heads = sorted((lsn, *proof) for lsn, proof in proven.items() if lsn > sealed)
    wrong = "log/head holds no head that the writer signed in its last run" if owed and not own else None
    return sealed, base, heads, owed or bool(proven), wrong


def is_live(store):
    """Whether a writer holds the store."""
    try:
        with open(f"{store}/lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def check_journal(store, leaves):
    name = "journal"
    for request in sorted(os.listdir(f"{store}/inbox")) if os.path.isdir(f"{store}/inbox") else []:
        if request.endswith(".request"):
            with open(f"{store}/inbox/{request}", "rb") as file:
                if not request.endswith(f"-{sha(file.read(64 << 20)).hex()[:16]}.request"):
                    fail(name, f"inbox/{request}", "this request is not as it was left")
    if is_live(store) or os.path.exists(f"{store}/log/pending"):
        skip(name, "a writer is at it, or was when it stopped: what is not sealed yet changes")
        return
    sealed, link, heads, promised, wrong = signed_heads(store, leaves)
    machine = next((machine for _, _, machine in reversed(heads) if machine), None)
    last, certain, proven, lost, beyond, span, whole = sealed, sealed, sealed, [], 0, (None, 0), (sealed, link)
    longest = 0
    proven = heads[-1][0] if heads else sealed

    def lose():
        nonlocal last, link, certain, whole
        lsn, following, _ = heads.pop(0)
        lost.append((certain + 1, lsn))
        last = certain = lsn
        link, whole = following, (lsn, following)

    files = journal_files(store)
    for at, (first, _, salt, made_in, data) in enumerate(files):
        if at + 1 < len(files) and files[at + 1][0] <= last + 1:
            continue
        if first == whole[0] + 1:
            last, link = whole  # a record that was cut short: the next start gave its numbers again
        for flags, lsn, ts, header, payload, _ in frames_of(data, salt):
            if lsn <= last:
                continue
            while heads and heads[0][0] < lsn and (link is None or lsn != last + 1):
                lose()
            if lsn != last + 1 or link is None:
                if heads and heads[0][0] == lsn:
                    lose()
                elif heads:
                    link = None
                else:
                    beyond = max(beyond, lsn)
                continue
            if not heads:
                span = span if span[0] == made_in else (made_in, ts)
                longest = max(longest, ts - span[1])
            link, last = sha(b"affidavit/journal/v1\n", link, header[:28], sha(payload)), lsn
            if not flags & 1:
                whole = (last, link)
            if heads and heads[0][0] == lsn:
                if heads[0][1] == link:
                    certain = lsn
                    heads.pop(0)
                else:
                    lose()
    while heads:
        lose()
    last = whole[0]
    here = ""
    if os.path.exists("/proc/sys/kernel/random/boot_id"):
        with open("/proc/sys/kernel/random/boot_id") as file:
            here = file.read().strip()
    if beyond > last and not (promised and (machine is None or machine != here)):
        lost.append((last + 1, beyond))
    if promised and longest > WINDOW:
        wrong = wrong or "records follow the last signed head for longer than heads are apart"
    for first, until in lost:
        fail(name, "journal", f"records {first} to {until} are not what was taken: changed, cut or removed")
    if wrong:
        fail(name, "journal", wrong)
    if last > proven:
        skip(name, f"records {proven + 1} to {last} follow the last signed head: nothing vouches for them")
    elif last > sealed:
        skip(name, f"records up to {last} are not sealed yet; signed heads cover them")
    else:
        check(name)


def check_recoveries(leaves):
    for index, kind, _, content, _ in leaves:
        if kind == OWN.format("recovery") and content.get("tampered"):
            fail("journal", f"leaf {index}", content["what"])


def check_about(store, key, keys, leaves):
    check("store description")
    with open(f"{store}/store.json") as file:
        about = json.load(file)
    if (about["format"], about["origin"], about["vkey"]) != (1, key.name, keys.at(0).text):
        fail("store description", "store.json", "it names another format, log or key")
    if any(head_of(content)["writer"] != about["writer"] for _, _, _, content, _ in leaves):
        fail("store description", "store.json", "a leaf was made by another writer")


def verify(options, key, older, scratch):
    store, scope, names, first, last = options.path, None, set(), 1, sys.maxsize
    if os.path.isfile(options.path):
        names = unpack(options.path, scratch)
        check_bag(scratch, names)
        store = f"{scratch}/data/store"
        with open(f"{scratch}/data/scope.json") as file:
            scope = json.load(file)
        first, last = scope["first_segment"], scope["last_segment"]
    leaves, size, head, keys = check_log(store, key, older, options.max_age)
    check_about(store, key, keys, leaves)
    check_recoveries(leaves)
    ledger = Ledger(key.name, leaves, options.signer)
    cut, bodies = (False, True) if scope is None else (scope.get("cut", False), NO_BODIES not in scope["excluded"])
    walk = Walk(store, leaves, first, last, ledger.pruned, key.name, cut, bodies)
    walk.run()
    if scope is None:
        check_journal(store, leaves)
        return
    check_signature(scratch, names, keys, size, options.unsigned)
    check_own_words(scratch, names)
    name = "report and CSV derived from the originals"
    if (scope["origin"], scope["tree_size"]) != (key.name, size):
        fail(name, "data/scope.json", "it names another log, or another size of it")
    if any(checks.get(hashes, ["PASS"])[0] == "FAIL" for hashes in ("file hashes", "bag hashes")):
        fail(name, "data/store", "files are not what they were: nothing can be derived from them")
    else:
        derived = Derived(scratch, scope, leaves, ledger)
        check_scope(scope, derived, leaves, names, ledger.pruned)
        derived.check(names)
    check_proofs(scratch, scope, size, head, walk.ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a package (.zip) or a store's folder")
    parser.add_argument("--key", required=True, help="the log's verification key or a file that holds it, from elsewhere than the package")
    parser.add_argument("--checkpoint", help="a checkpoint that was kept earlier")
    parser.add_argument("--signer", action="append", default=[], help="key of somebody who may order that segments are removed")
    parser.add_argument("--max-age", type=int, help="the newest leaf may be this many seconds old")
    parser.add_argument("--unsigned", action="store_true", help="looks at a package that nobody signed all the same")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        key = Key(key_text(options.key))
        options.signer = [Key(key_text(person)).text for person in options.signer]
        older = open(options.checkpoint).read() if options.checkpoint else None
    except (OSError, ValueError) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as scratch:
        try:
            verify(options, key, older, scratch)
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
