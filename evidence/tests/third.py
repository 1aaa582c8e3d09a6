"""Verifies a store or a package: written from FORMAT.md alone, by somebody who had read no other verifier.

judge() raises at the first thing that does not hold. It takes as they are: the page of a package's report, which only
its program describes, and how many sessions there were that a package did not pick."""

import base64
import collections
import csv
import hashlib
import io
import json
import os
import pathlib
import re
import stat
import struct
import types
import zlib
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MACHINE = pathlib.Path("/proc/sys/kernel/random/boot_id")
RELEASE = pathlib.Path(__file__).parent.parent / "tools"
FIXED = {"data/README.md", "data/VERIFY.md", "data/tools/verify.py"}
SECOND, ZEROS, NEVER = 1_000_000, "0" * 64, 1 << 62
PRUNED = ("sessions", "statements", "statement_bodies", "rows")
CHAINED = {"policy_versions": "version", "approvals": "approval_id", "reviews": "actor", "audit_accesses": ""}
KINDS = "in-toto+json key heartbeat policy approval review recovery clock rotation hold tombstone".split()
TABLE, TILE = f"({'|'.join((*PRUNED, *CHAINED))})", "log/tile/([0-9]+|entries)"
FILES = re.compile(
    rf"store\.json|lock|approvals\.redb|log/(checkpoint|pending|head)|(inbox/|journal/|log/(\S+/)?)?\.[^/\s]+\.draft"
    rf"|{TILE}/(x[0-9]{{3}}/)*[0-9]{{3}}(\.p/[0-9]+)?|segments/seg-[0-9]{{8}}\.(json|carry)"
    rf"|{TABLE}/date=[0-9-]{{10}}/seg-[0-9]{{8}}\.parquet"
    r"|journal/[^/\s]+\.(wal|kept)|inbox/[^/\n]+\.(request|answer|unreadable)"
)
FOLDERS = re.compile(
    rf"log(/tile)?|{TILE}(/x[0-9]{{3}})*(/[0-9]{{3}}\.p)?|segments|journal|inbox|{TABLE}(/date=[0-9-]{{10}})?"
)
IDENTIFIER = re.compile(r"(?!000)[0-9]{3}-[0-9]{2}-[0-9]{4}|[A-Za-z0-9]@[A-Za-z0-9-]+\.[A-Za-z0-9.-]{2}")
LIVE = re.compile(r"lock|approvals\.redb|journal/|inbox/|log/(head|pending)|.*\.(carry|draft)$")
ENTRY = struct.Struct("<4s6xH4x3I4H2xII")
CRC = list(range(256))
for _ in range(8):
    CRC = [c >> 1 ^ 0x82F63B78 * (c & 1) for c in CRC]

def need(fact, *what):
    if not fact:
        raise ValueError(" ".join(map(str, what)))

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF

def i64(n):
    return n.to_bytes(8, "big", signed=True)

def text(s):
    return len(s.encode()).to_bytes(4, "big") + s.encode()

def value(v):
    if isinstance(v, dict):
        return b"".join(map(value, v.values()))
    if isinstance(v, list):
        return b"\1" + len(v).to_bytes(4, "big") + b"".join(map(value, v))
    return b"\0" if v is None else b"\1" + (text(v) if isinstance(v, str) else i64(v))

def root(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    left = 1 << (len(hashes) - 1).bit_length() - 1
    return sha(b"\1", root(hashes[:left]), root(hashes[left:]))

def climbed(node, index, size, path):
    """The root that an audit path leads to from a leaf."""
    if size < 2:
        return node
    left, *path, last = 1 << (size - 1).bit_length() - 1, *path
    if index < left:
        return sha(b"\1", climbed(node, index, left, path), bytes.fromhex(last))
    return sha(b"\1", bytes.fromhex(last), climbed(node, index - left, size - left, path))

def tile(level, n, width):
    name = f"{n % 1000:03}"
    while n := n // 1000:
        name = f"x{n % 1000:03}/{name}"
    return f"log/tile/{level}/{name}" + f".p/{width}" * (width < 256)

def public(vkey):
    name, number, raw = vkey.split("+", 2)
    raw = base64.b64decode(raw, validate=True)
    need(raw[:1] == b"\1" and sha(name.encode(), b"\n", raw)[:4].hex() == number, "no key:", vkey)
    return raw[1:]

def signed(key, signature, message):
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    return True

def note(data, vkeys):
    """The lines of a signed note, and those of the keys that signed it."""
    body, _, lines = data.rpartition("\n\n")
    split = [line.split(" ") for line in lines.splitlines()]
    sigs = [(name, base64.b64decode(sig, validate=True)) for _, name, sig in split]
    by = [(key, sig[4:]) for name, sig in sigs for key in vkeys if key.startswith(f"{name}+{sig[:4].hex()}+")]
    return body.split("\n"), {key for key, sig in by if signed(public(key), sig, f"{body}\n".encode())}

def opened(entry):
    """An envelope: its kind, what it says, and whether a key signed it."""
    envelope = json.loads(entry)
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)
    message = b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)

    def by(key):
        sigs = (s["sig"] for s in envelope["signatures"] if s["keyid"] == sha(key).hex()[:16])
        return any(signed(key, base64.b64decode(sig), message) for sig in sigs)

    kind = kind.removeprefix("application/vnd.").removeprefix("affidavit.").removesuffix(".v1+json")
    says = json.loads(payload)
    parts = {"says": says.get("predicate", says), "subject": says.get("subject"), "payload": payload, "entry": entry}
    return types.SimpleNamespace(kind=kind, by=by, **parts)

def folder(place):
    """The files below a folder; everything in it has a name that a store has, and is no link."""
    found = {}
    for at, folders, names in os.walk(place):
        for path in (pathlib.Path(at, name) for name in folders + names):
            name, inner = path.relative_to(place).as_posix(), path.name in folders
            form, right = (FOLDERS, stat.S_ISDIR) if inner else (FILES, stat.S_ISREG)
            need(form.fullmatch(name) and right(path.lstat().st_mode), "what is this:", repr(name))
            found |= {} if inner else {name: path}
    return found

def unzipped(data):
    """The files of a ZIP without compression, and with nothing beside them."""
    magic, *disks, count, length, at, comment = struct.unpack("<4s4H2IH", data[-22:])
    end, found, start, first = len(data) - 22, {}, 0, at
    need((magic, disks, at + length, comment) == (b"PK\5\6", [0, 0, count], end, 0), "the ZIP's end")
    for _ in range(count):
        magic, method, crc, *sizes, n, extra, remark, disk, mode, offset = ENTRY.unpack_from(data, at)
        name, body = data[at + 46 : at + 46 + n], offset + 30 + n
        content, plain = data[body : body + sizes[0]], (b"PK\1\2", 0, 0, 0, 0, 0o100644 << 16, start)
        need((magic, method, extra, remark, disk, mode, offset) == plain, "an entry:", name)
        need(data[offset:body] == b"PK\3\4" + data[at + 6 : at + 32] + name, "the header of", name)
        need(sizes == [len(content)] * 2 and zlib.crc32(content) == crc, "the content of", name)
        need(name.decode() not in found, "there twice:", name)
        found[name.decode()], start, at = content, body + len(content), at + 46 + n
    need(start == first and at == end, "bytes beside the ZIP's entries")
    return found

class Store:
    def __init__(self, files, vkey, older, people, scope=None):
        self.files, self.whole, self.records, self.columns = files, scope is None, collections.defaultdict(list), {}
        whole = {"cut": False, "excluded": [], "first_segment": 0, "last_segment": NEVER}
        self.cut, excluded, self.first, self.newest = ((scope or whole)[name] for name in whole)
        self.bodies = not any("exact texts" in what for what in excluded)
        self.sessions, self.open, self.parts, self.gap, self.left_out = {}, {}, {}, False, []
        self.loaded, self.spans, self.active, self.grants = {}, [], None, {}
        self.log(vkey, older)
        self.orders(set(people))
        self.segments()
        self.statements()

    def read(self, name):
        return self.files[name] if isinstance(self.files[name], bytes) else self.files[name].read_bytes()

    def log(self, vkey, older):
        checkpoint, entries, level, tiles = self.read("log/checkpoint").decode(), [], 0, {}
        self.origin, size, top = note(checkpoint, [])[0]
        need(size == str(int(size)), "the checkpoint's syntax")
        for n in range(0, int(size), 256):
            name, end, bundle = tile("entries", n // 256, min(256, int(size) - n)), 0, b""
            bundle = tiles[name] = self.read(name)
            while end < len(bundle):
                start, end = end + 2, end + 2 + int.from_bytes(bundle[end : end + 2], "big")
                entries.append(bundle[start:end])
        hashes = self.hashes = [sha(b"\0", entry) for entry in entries]
        need(len(hashes) == int(size) and base64.b64encode(root(hashes)).decode() == top, "the log's root")
        while hashes:
            groups = [hashes[n : n + 256] for n in range(0, len(hashes), 256)]
            tiles |= {tile(level, n, len(group)): b"".join(group) for n, group in enumerate(groups)}
            hashes, level = [root(group) for group in groups if len(group) == 256], level + 1
        found = {name: self.read(name) for name in self.files if re.match("log/tile/.*[0-9]$", name)}
        need(tiles == found, "the log's tiles")
        self.leaves = [opened(entry) for entry in entries]
        turns = [leaf.says for leaf in self.leaves if leaf.kind == "rotation"]
        keys = [turn["previous"] for turn in turns] + [turns[-1]["next"]] if turns else [vkey]
        need(vkey in keys and [t["next"] for t in turns] == keys[1:], "the log's keys")
        need(keys[-1] in note(checkpoint, keys)[1] and public(vkey), "the checkpoint's signature")
        if older:
            (origin, old, top), signers = note(older, keys)
            need(signers and origin == self.origin and int(old) <= int(size), "the older checkpoint")
            need(base64.b64encode(root(self.hashes[: int(old)])).decode() == top, "what the older checkpoint saw")
        about, self.vkey, self.epochs, before = json.loads(self.read("store.json")), keys[-1], [], None
        self.writer = about["writer"]
        need(about == about | {"format": 1, "origin": self.origin, "vkey": keys[0]}, "store.json")
        need(keys[0].startswith(self.origin + "+"), "the log's origin")
        for at, leaf in enumerate(self.leaves):
            says, kind = leaf.says, leaf.kind
            need(kind in KINDS and (kind == "key" or before and before.kind != "rotation"), "the type of leaf", at)
            self.epochs += [says] * (kind == "key")
            leaf.epoch, turned = self.epochs[-1], sum(earlier.kind == "rotation" for earlier in self.leaves[:at])
            signers = {"key": keys[turned : turned + 1], "rotation": keys[turned : turned + 2]}.get(kind)
            signers = list(map(public, signers)) if signers else [bytes.fromhex(leaf.epoch["public"])]
            need(all(map(leaf.by, signers)), "the signature of leaf", at)
            need(says["epoch"] == len(self.epochs) == leaf.epoch["epoch"], "the epoch of leaf", at)
            need(says["time"] <= leaf.epoch["not_after"] and says["writer"] == self.writer, "whose leaf is", at)
            need(not says.get("tampered"), "leaf", at, says.get("what"))
            if before:
                time, ticks = says["time"] - before.says["time"], says["monotonic"] - before.says["monotonic"]
                need(time >= -5 * SECOND, "the time goes back at leaf", at)
                if says["boot"] == before.says["boot"]:
                    need(ticks >= 0 and abs(time - ticks) <= 5 * SECOND, "the clock at leaf", at)
                    need(ticks <= 2 * leaf.epoch["heartbeat"] + 60 * SECOND, "a silence before leaf", at)
                    need(not before.says.get("closing"), "a leaf behind the writer's stop:", at)
            before = leaf

    def orders(self, people):
        """What may be missing: the segments of tombstones that two people signed."""
        self.gone, sealed, holds = set(), {}, {}
        for at, leaf in enumerate(self.leaves):
            says, terms = leaf.says, leaf.epoch.get("retention") or {"keep": 0, "signers": []}
            if leaf.kind == "in-toto+json":
                first = min((file["first_ts"] for file in says["files"]), default=says["time"])
                sealed[says["segment"]] = first, says["time"], terms["keep"]
            if leaf.kind == "hold" and says["event"] == "added":
                need(says["hold"] not in holds, "a hold is there twice: leaf", at)
                holds[says["hold"]] = says["from"] or 0, says["to"] or NEVER
            if "order" not in says:
                continue
            lines, signers = note(says["order"], set(terms["signers"]) & (people or set(terms["signers"])))
            order = json.loads(lines[2])
            line = json.dumps(order, separators=(",", ":"), ensure_ascii=False)
            need(lines == ["affidavit order v1", self.origin, line], "the order of leaf", at)
            need(list(order) == ["id", "made", "made_by", "reason", "action"], "the order of leaf", at)
            need(len(set(map(public, signers))) > 1, "who signed the order of leaf", at)
            if leaf.kind == "hold":
                right = order["action"] == {"do": "release", "hold": says["hold"]}
                need(right and holds.pop(says["hold"]), "the order of leaf", at)
            for a, b in order["action"]["segments"] if leaf.kind == "tombstone" else ():
                for first, end, keep in map(sealed.get, range(a, b + 1)):
                    need(says["time"] >= end + max(keep, terms["keep"]), "pruned before its time: leaf", at)
                    held = any(start <= end and stop >= first for start, stop in holds.values())
                    need(not held, "pruned under a hold: leaf", at)
                self.gone |= set(range(a, b + 1))

    def segments(self):
        before, n, chains, steps, left = "", 0, {}, set(), set(self.files)
        self.last, self.number, self.journal_at, carry = 0, 0, {0: bytes(32)}, None
        for leaf in self.leaves:
            says, tables = leaf.says, collections.defaultdict(list)
            if leaf.kind in ("policy", "approval", "review"):
                whose = says.get("version") or says.get("approval_id") or says.get("actor")
                steps.add((says["record_hash"], says.get("event"), whose))
            if leaf.kind != "in-toto+json":
                continue
            n = self.number = n + 1
            said = says["segment"], says["origin"], says["previous"]
            need(said == (n, self.origin, before), "the manifest of segment", n)
            need(says["first_lsn"] == self.last + 1 <= says["last_lsn"], "the records of segment", n)
            before, self.last = sha(leaf.payload).hex(), says["last_lsn"]
            self.journal_at[self.last] = bytes.fromhex(says.get("journal", ""))
            copy, carry = f"segments/seg-{n:08}.json", f"segments/seg-{n:08}.carry"
            need(self.read(copy) == leaf.entry, "the copy of segment", n)
            need(carry not in left or sha(self.read(carry)).hex() == says["carry"], "what segment", n, "carries")
            left -= {copy, carry}
            digests = {file["name"]: file["digest"]["sha256"] for file in leaf.subject}
            need(list(digests) == [file["name"] for file in says["files"]], "the files of segment", n)
            for file in says["files"]:
                name, table = file["name"], file["table"]
                right = name == f"{table}/date={file['date']}/seg-{n:08}.parquet"
                need(right and table not in tables, "a file's name:", name)
                wanted = self.bodies or table != "statement_bodies"
                if name in left:
                    left.remove(name)
                    tables[table] = self.table(file, digests[name], says)
                    self.records[table] += tables[table] if n >= self.first or table == "policy_versions" else []
                else:
                    early = n < self.first and table not in ("policy_versions", "approvals")
                    away = n in self.gone and table in PRUNED or early or n > self.newest
                    need(self.cut or away or not wanted, "missing:", name)
                    self.gap |= wanted
                    wanted = wanted and not away and (n >= self.first or table == "approvals")
                lost = {"segment": n, "table": table, "records": file["rows"] - len(tables[table])}
                self.left_out += [lost] * (wanted and lost["records"] > 0)
            self.chain(tables, says)
            self.rows(tables)
            for table, name in CHAINED.items():
                for r in tables[table]:
                    count, head = chains.get(table, (0, ZEROS))
                    loose = self.cut and table != "policy_versions"
                    need(r["prev_hash"] == head or loose, "the chain at", r["lsn"])
                    step = (r["record_hash"], r.get("event"), r[name or "lsn"])
                    need(not name or step in steps, "no leaf for record", r["lsn"])
                    chains[table] = count + 1, r["record_hash"]
                    {"policy_versions": self.policy, "approvals": self.approval}.get(table, bool)(r)
            if n <= self.newest:
                found = {table: (chain["count"], chain["head"]) for table, chain in says["chains"].items()}
                if n < self.first:
                    chains |= {table: found[table] for table in {"reviews", "audit_accesses"} & found.keys()}
                need(self.cut or found == chains, "the chains of segment", n)
                need(says["policy"] == (self.active and self.active[0]), "the policy at the end of segment", n)
        need(not self.whole or carry is None or carry in self.files, "missing:", carry)
        being_sealed = re.compile(rf"(segments|{TABLE}/date=[0-9-]+)/seg-{n + 1:08}\.")
        left = [name for name in left if re.match(f"segments/|{TABLE}/", name)]
        need(all(self.whole and being_sealed.match(name) for name in left), "in no manifest:", left)

    def table(self, file, digest, says):
        """A file's records, with times as integers, each under its own hash."""
        name, table, place = file["name"], file["table"], self.files[file["name"]]
        need(isinstance(place, bytes) or place.stat().st_size == file["bytes"], "the size of", name)
        data = self.read(name)
        need(self.cut or sha(data).hex() == digest and len(data) == file["bytes"], "the hash of", name)
        parquet = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        groups = (parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups))
        need(sum(group.total_byte_size for group in groups) < 1 << 29, name, "would fill the memory")
        found = parquet.read()
        times = {f.name for f in found.schema if pyarrow.types.is_timestamp(f.type)}
        schema = [f.with_type(pyarrow.int64()) if f.name in times else f for f in found.schema]
        self.columns[table], found = (found.schema.names, times), found.cast(pyarrow.schema(schema)).to_pylist()
        stamps = [r["ts"] for r in found] or [0]
        day = datetime.fromtimestamp(max(stamps) // SECOND, UTC).date().isoformat()
        said = len(found), min(stamps), max(stamps), day
        right = said == (file["rows"], file["first_ts"], file["last_ts"], file["date"])
        need(self.cut or right and max(stamps) <= says["time"] + 5 * SECOND, "rows, times or date of", name)
        places = [says["first_lsn"], *(r["lsn"] for r in found), says["last_lsn"]]
        need(places == sorted(places), "the order of", name)
        for r in found if table not in ("rows", "statement_bodies") else ():
            rest = (value(v) for column, v in r.items() if column != "record_hash")
            right = sha(b"affidavit/record/v1\n", text(table), *rest).hex()
            need(r["record_hash"] == right, "the hash of record", r["lsn"])
        return found

    def chain(self, tables, says):
        """Each session's records in their order; then the index of the segment, and what is open."""
        touched, order, n = set(), {"open": 0, "denied": 0, None: 1, "close": 2}, self.number
        found = tables["sessions"] + tables["statements"]
        for r in sorted(found, key=lambda r: (r["lsn"], order[r.get("event")], r.get("session_seq") or 0)):
            name, event = r["session_id"], r.get("event")
            opening = r if event in ("open", "denied") else None
            if opening or self.gap and name not in self.sessions:
                need(name not in self.sessions, "a session is there twice:", name)
                fresh = {"opening": opening, "head": ZEROS if opening else r["prev_hash"], "sums": [0, 0, 0]}
                self.sessions[name] = self.open[name] = types.SimpleNamespace(**fresh, records=0, first=n)
            s = self.open.get(name)
            need(s and r["prev_hash"] == s.head, "the chain of session", name)
            if event is None:
                s.sums = [s.sums[0] + 1, s.sums[1] + (r["row_count"] or 0), s.sums[2] + (r["bytes_out"] or 0)]
                o = s.opening or {"issuer": r.get("issuer"), "user_id": r.get("user_id")}
                whose = all(r.get(c, o[c]) == o[c] for c in ("issuer", "user_id"))
                need(whose and (s.opening is None or r["session_seq"] == s.sums[0]), "the order of session", name)
            if event == "close":
                said = [r["statement_count"], r["rows_returned"], r["bytes_returned"]]
                right = s.opening is None or said == s.sums
                need(right and r["final_hash"] == s.head, "the end of session", name)
            s.records, s.head, s.last = s.records + 1, r["record_hash"], n
            touched.add(name)
            if event in ("close", "denied"):
                del self.open[name]
        if not (self.gap or self.cut):
            index = root([self.leaf(name) for name in sorted(touched)]).hex()
            carried = root([self.leaf(name, *self.open[name].sums) for name in sorted(self.open)]).hex()
            need(index == says["sessions_root"], "the index of segment", n)
            need((len(self.open), carried) == (says["open_sessions"], says["open_root"]), "what is open after", n)

    def leaf(self, name, *sums):
        s = self.sessions[name]
        number, head = bytes.fromhex(name.replace("-", "")), bytes.fromhex(s.head)
        return sha(b"\0", number, i64(s.records), head, *map(i64, sums))

    def rows(self, tables):
        parts, bodies = collections.defaultdict(list), {}
        for r in tables["rows"]:
            parts[r["session_id"], r["statement_id"]].append(r)
        for key, rows in parts.items():
            old, said, before = rows[0]["schema_version"] == 1, [text(key[0]), i64(key[1])], None
            if not old:
                said += [value(rows[0]["user_id"]), value(rows[0]["datasource"])]
            for r in rows:
                need(all(r.get(c) == rows[0].get(c) for c in ("user_id", "datasource")), "whose rows are these:", key)
                columns, before = b"\2" if r["columns"] == before else value(r["columns"]), r["columns"]
                said += [value(r["result_set"]), value(r["row_index"]), columns]
                said += [value(r[c]) for c in ("values", "overflow", "shown")[: 2 if old else 3]]
            commit, earlier = self.parts.get(key, (bytes(32), []))
            part = sha(b"affidavit/rows/v1\n" if old else b"affidavit/rows/v2\n", *said)
            self.parts[key] = sha(b"affidavit/rows-commit/v1\n", commit, part), earlier + rows
        for body in tables["statement_bodies"]:
            key, new = (body["session_id"], body["statement_id"]), body["schema_version"] >= 3
            need(key not in bodies, "a text is there twice:", key)
            said = [text(key[0]), i64(key[1]), value(body["sql_text"]), value(body["params"])]
            said = [bytes.fromhex(body["salt"]), *said, value(body["sent_sql"]) if new else b""]
            bodies[key] = sha(b"affidavit/body/v3\n" if new else b"affidavit/body/v1\n", *said).hex()
        for s in tables["statements"]:
            key, masks = (s["session_id"], s["statement_id"]), collections.defaultdict(set)
            commit, rows = self.parts.pop(key, (b"", []))
            right = commit.hex() == (s["rows_commit"] or "") and len(rows) == (s["row_count"] or 0)
            need(right or self.sessions[key[0]].opening is None, "the rows of", key)
            need(bodies.pop(key, "" if self.bodies else s["body_commit"]) == s["body_commit"], "the text of", key)
            for column in s["result_columns"] or []:
                masks[column["name"]].add(column["mask"] in ("redact", "null", "year", "zip3", "hash"))
            cells = (cell for r in rows for cell in zip(r["columns"], r["values"], strict=True))
            bare = any(masks[name] == {True} and IDENTIFIER.search(cell or "") for name, cell in cells)
            need(not bare, "an identifier under a mask:", key)
        need(not bodies, "texts of no statement:", bodies)

    def policy(self, r):
        version, event, start = r["version"], r["event"], r["effective_from"]
        if event == "loaded":
            need(sha(r["content"].encode()).hex() == version, "the text of policy", version)
            self.loaded[version] = r["content"].encode()
        elif event == "activated":
            need(self.active in (None, [version, start, NEVER]), "another policy is in force:", self.active)
            need(version in self.loaded and (self.active or start == r["ts"]), "the activation of policy", version)
            self.spans += [] if self.active else [[version, start, NEVER]]
            self.active = self.spans[-1]
        else:
            need(event == "superseded" and self.active == [version, start, NEVER], "the end of policy", version, event)
            self.active[2], self.active = r["ts"], None

    def approval(self, r):
        name, event, who = r["approval_id"], r["event"], r["approver"]
        need((name in self.grants) != (event == "requested"), "approval", name, "begins with", event)
        fresh = types.SimpleNamespace(asked=r, by=[], time=None, emergency=False, window=False, over=False, used=[])
        g = self.grants.setdefault(name, fresh)
        need(all(r[c] == g.asked[c] for c in ("requester", "scope")), "approval", name, "was changed")
        if event in ("approved", "denied", "revoked", "reviewed"):
            need(who and who != r["requester"] and r["justification"], "who decided approval", name, event)
        if event in ("approved", "emergency"):
            need(who not in g.by and (event == "approved") == bool(who), "approval", name, "twice by", who)
            g.by.append(who)
            g.time, g.emergency = (r["valid_from"] or 0, r["valid_until"] or NEVER), event == "emergency"
        elif event == "window":
            need(any(g.by) and not g.used, "approval", name, "opens a window that nobody agreed to")
            g.time = tuple(new or old for new, old in zip((r["valid_from"], r["valid_until"]), g.time, strict=True))
            g.window = True
        elif event == "used":
            need(g.time and g.time[0] <= r["ts"] <= g.time[1], "approval", name, "was used out of its time")
            key = r["session_id"], r["statement_id"]
            need(not g.over and (g.window or not g.used) and key not in g.used, "approval", name, "was over")
            g.used.append(key)
            session = self.sessions.get(r["session_id"])
            need(session or self.gap or self.cut, "approval", name, "was used by no session")
            if session and session.opening and r.get("requester_issuer"):
                whose = session.opening["issuer"], session.opening["user_id"]
                asked = r["requester_issuer"], r["requester_subject"]
                need(whose == asked, "approval", name, "was used by", whose)
        elif event in ("denied", "revoked", "cancelled", "expired"):
            g.over = True
        else:
            need(event in ("requested", "escalated") or event == "reviewed" and g.emergency, "approval", name, event)

    def statements(self):
        for s in self.records["statements"]:
            version, sent, grant = s["policy_version"], s["sent"] or s["ts"], s["approval_id"]
            slack = (86400 if grant else 60) * SECOND
            right = version is None or any(v == version and a <= sent <= b + slack for v, a, b in self.spans)
            need(right, "the policy of statement", s["lsn"])
            key = s["session_id"], s["statement_id"]
            need(not grant or key in self.grants[grant].used, "the approval of statement", s["lsn"])
        need(self.gap or all(key[0] in self.open for key in self.parts), "rows of no statement")

    def journal(self):
        """What is not sealed, held against the heads that the writer signed."""
        for name in self.files:
            form = f"-{sha(self.read(name)).hex()[:16]}.request" if name.endswith(".request") else ""
            need(name.endswith(form), "a request was changed:", name)
        if "log/pending" in self.files:
            staged = json.loads(self.read("log/pending"))
            here, entries = self.leaves[staged["size"] :], map(base64.b64decode, staged["entries"])
            right = staged["size"] <= len(self.leaves) and [leaf.entry for leaf in here] == list(entries)[: len(here)]
            need(right, "staged leaves of another log")
        heads, newest = [], self.leaves[-1]
        keys = {(e["boot"], e["epoch"]): bytes.fromhex(e["public"]) for e in self.epochs}
        for line in self.read("log/head").splitlines() if "log/head" in self.files else ():
            try:
                head = opened(line)
                heads += [head.says] * (head.kind == "head" and head.by(keys[head.says["boot"], head.says["epoch"]]))
            except (ValueError, KeyError, InvalidSignature):
                continue
        beats = [leaf.says for leaf in self.leaves if leaf.kind == "heartbeat" and leaf.says.get("journal")]
        ended = newest.kind == "rotation" or newest.says.get("closing")
        told, there = (newest.says["boot"] in {says["boot"] for says in which} for which in (beats, heads))
        need(ended or there or not told, "the heads of the journal are gone")
        machine = max(heads, key=lambda head: head["last_lsn"])["machine"] if heads else ""
        heads += beats
        at, chain, top = self.last, self.journal_at[self.last], max((head["last_lsn"] for head in heads), default=0)
        before, broken, files = None, False, [self.read(name) for name in self.files if name.endswith(".wal")]
        files.sort(key=lambda data: data[16:24])
        for lsn, time, boot, head, payload in (frame for data in files for frame in frames(data)):
            if lsn <= self.last:
                continue
            broken |= lsn != at + 1
            need(not broken or machine != MACHINE.read_text().strip(), "lost before record", lsn)
            if not broken:
                near = before is None or at <= top or before[0] != boot
                need(near or time - before[1] <= 60 * SECOND, "a gap before record", lsn)
                at, chain, before = lsn, sha(b"affidavit/journal/v1\n", chain, head, sha(payload)), (boot, time)
                self.journal_at[lsn] = chain
        for head in heads:
            known = self.journal_at.get(head["last_lsn"], b"" if head["last_lsn"] > self.last else None)
            need(known in (None, bytes.fromhex(head["journal"])), "the journal at record", head["last_lsn"])

def frames(data):
    """What has a frame's form in a file of the journal."""
    right = data[:8] == b"AFFDVJ01" and crc32c(data[:52]) == int.from_bytes(data[52:56], "big")
    place = data.find(data[48:52], 88) if right else -1
    while place >= 0:
        start, head = place - 24, data[place - 24 : place + 8]
        size, lsn, time, crc = struct.unpack(">I4xQq4xI", head)
        payload, place = data[start + 32 : start + 32 + size], place + 1
        if start % 8 == 0 and len(payload) == size and crc32c(payload + head[:28]) == crc:
            yield lsn, time, data[32:48], head[:28], payload
            place = start + 32 + size
        place = data.find(data[48:52], place)

def package(files, vkey, older, people):
    inside = {name[11:]: data for name, data in files.items() if name.startswith("data/store/")}
    payload = [name for name in files if name.startswith("data/")]
    tags = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt"]
    for prefix, names in (("", payload), ("tag", tags)):
        for method in ("sha256", "sha512"):
            lines = [f"{hashlib.new(method, files[name]).hexdigest()}  {name}" for name in names]
            listed = files[f"{prefix}manifest-{method}.txt"].decode()
            need(listed.endswith("\n") and sorted(listed[:-1].split("\n")) == sorted(lines), prefix + "manifest")
    need(files["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "bagit.txt")
    oxum = f"Payload-Oxum: {sum(len(files[name]) for name in payload)}.{len(payload)}"
    need(oxum in files["bag-info.txt"].decode().split("\n"), "bag-info.txt")
    scope = json.loads(files["data/scope.json"])
    store = Store(inside, vkey, older, people, scope)
    lines, signers = note(files["signature.note"].decode(), [store.vkey])
    need(signers and lines == ["affidavit package v1", sha(files["tagmanifest-sha256.txt"]).hex()], "signature.note")
    chosen = {name: s for name, s in store.sessions.items() if s.opening}
    asked, first = scope["question"], min((s.first for s in chosen.values()), default=1)
    about = {
        "format": "affidavit package 2", "origin": store.origin, "tree_size": len(store.leaves), "writer": store.writer,
        "sessions": sorted(chosen), "left_out": store.left_out if store.cut else [],
        "first_segment": first, "last_segment": max((s.last for s in chosen.values()), default=0),
    }
    need(scope == scope | about and (store.cut or scope["population"] == len(chosen)), "scope.json")
    policies = {f"data/policies/{version}.toml": content for version, content in store.loaded.items()}
    made = {name: content for name, content in policies.items() if name in files}
    made |= {name: (RELEASE / pathlib.Path(name).name).read_bytes() for name in FIXED}
    for table, (columns, times) in store.columns.items():
        out, records = io.StringIO(), store.records[table]
        csv.writer(out).writerows([columns, *([printed(r.get(c), c in times) for c in columns] for r in records)])
        made[f"data/csv/{table}.csv"] = out.getvalue().encode()
    need(made == {name: files.get(name) for name in made}, "a file that can be derived")
    manifests = [(at, leaf.says) for at, leaf in enumerate(store.leaves) if leaf.kind == "in-toto+json"]
    for name, s in chosen.items():
        proof, (at, says) = json.loads(files[f"data/proofs/{name}.json"]), manifests[s.last - 1]
        who = (s.opening["user_id"], s.opening["user_email"], None)
        did = [statement for statement in store.records["statements"] if statement["session_id"] == name]
        need((asked["from"] or 0) <= s.opening["ts"] <= (asked["to"] or NEVER), "nobody asked for the time of", name)
        need(asked["identity"] in who and name.startswith(asked["session"] or ""), "nobody asked for session", name)
        need(asked["datasource"] in (s.opening["server"], None), "nobody asked for the datasource of", name)
        tables = " ".join(table for one in did for table in one["tables"] or ())
        need((asked["table"] or "") in tables, "nobody asked for the tables of", name)
        need(asked["approval"] in {None, *(one["approval_id"] for one in did)}, "nobody asked for the grant of", name)
        said = [proof[key] for key in ("head", "records", "segment", "sessions_root", "log_index", "tree_size")]
        right = [s.head, s.records, s.last, says["sessions_root"], at, len(store.leaves)]
        need(proof["session"] == name and said == right, "the proof of", name)
        index = climbed(store.leaf(name), proof["index"], proof["size"], proof["path"])
        top = climbed(store.hashes[at], at, len(store.leaves), proof["log_path"])
        need((index.hex(), top) == (says["sessions_root"], root(store.hashes)), "the proof of", name)
    names = {*made, *tags, *("tag" + tag for tag in tags[2:]), "signature.note", "data/scope.json", "data/report.html"}
    names |= {f"data/proofs/{name}.json" for name in chosen}
    names |= {f"data/store/{name}" for name in inside if FILES.fullmatch(name) and not LIVE.match(name)}
    need(names == set(files), "what is no part of a package, or missing:", names ^ set(files))

def printed(cell, is_time):
    if is_time and cell is not None:
        return datetime.fromtimestamp(cell // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{cell % SECOND:06}Z"
    lists = isinstance(cell, list)
    return json.dumps(cell, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if lists else cell

def judge(place, vkey, older=None, people=()):
    """Raises if something does not hold in a store's folder or in a package."""
    place = pathlib.Path(place)
    if not place.is_dir():
        return package(unzipped(place.read_bytes()), vkey, older, people)
    return Store(folder(place), vkey, older, people).journal()
