#!/usr/bin/env python3
"""A verifier that was written from FORMAT.md alone: proof that the document suffices. It says one thing, `good` or what is wrong.

    third.py STORE-OR-PACKAGE KEY [--checkpoint FILE] [--signer KEY]..."""

import base64
import hashlib
import json
import re
import struct
import sys
import tempfile
import uuid
import zipfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ZERO, TYPE = "0" * 64, "application/vnd.affidavit.{}.v1+json"
PEOPLE = ("sessions", "statements", "statement_bodies", "rows")
TABLES = (*PEOPLE, "policy_versions", "approvals", "reviews", "audit_accesses")
SHAPELESS = ("redact", "null", "year", "zip3", "hash")
IDENTIFIER = re.compile(r"(?!000)[0-9]{3}-[0-9]{2}-[0-9]{4}|[A-Za-z0-9]@[A-Za-z0-9-]+\.[A-Za-z0-9.-]{2,}")
TEXTS = {f"data/{name}": Path(__file__).parent.parent / "tools" / Path(name).name for name in ("README.md", "VERIFY.md", "tools/verify.py")}

def need(true, *what):
    if not true:
        raise ValueError(" ".join(map(str, what)))

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

class Key:
    def __init__(self, text):
        self.text, (self.name, identity, raw) = text, text.split("+", 2)
        raw = base64.b64decode(raw)
        self.raw, self.id = raw[1:], sha(self.name.encode(), b"\n", raw)[:4]
        need(raw[0] == 1 and len(raw) == 33 and self.id.hex() == identity, "no key:", text)

    def signed(self, note):
        text, _, lines = note.rpartition("\n\n")
        found = [base64.b64decode(line.split(" ")[2]) for line in lines.splitlines() if line.startswith(f"— {self.name} ")]
        return any(sig[:4] == self.id and verified(self.raw, f"{text}\n".encode(), sig[4:]) for sig in found)

def verified(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except Exception:
        return False

def opened(envelope):
    """Type, payload and whether a key signed it."""
    envelope = json.loads(envelope)
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signed = lambda key: any(verified(key, message, base64.b64decode(s["sig"])) for s in envelope["signatures"] if s["keyid"] == sha(key).hex()[:16])  # noqa: E731
    return kind, payload, json.loads(payload), signed

def root(nodes):
    if len(nodes) < 2:
        return nodes[0] if nodes else sha()
    half = 1 << (len(nodes) - 1).bit_length() - 1
    return sha(b"\1", root(nodes[:half]), root(nodes[half:]))

def up(leaf, index, size, path):
    """The root that an audit path of RFC 6962 leads to."""
    path, last = list(path), size - 1
    while last:
        if index & 1:
            leaf = sha(b"\1", path.pop(0), leaf)
        elif index < last:
            leaf = sha(b"\1", leaf, path.pop(0))
        index, last = index >> 1, last >> 1
    need(not path, "a path that is too long")
    return leaf

def value(item):
    if isinstance(item, dict):
        return b"".join(map(value, item.values()))
    if item is None:
        return b"\0"
    if isinstance(item, list):
        return struct.pack(">BI", 1, len(item)) + b"".join(map(value, item))
    return b"\1" + (struct.pack(">q", item) if isinstance(item, int) else text(item))

def text(item):
    return struct.pack(">I", len(item.encode())) + item.encode()

def crc32c(data, state=0xFFFFFFFF):
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 & -(state & 1))
    return state ^ 0xFFFFFFFF

def tile(n, width):
    text = f"{n:03}" if n < 1000 else f"x{n // 1000:03}/{n % 1000:03}"  # of a million tiles at most
    return text if width == 256 else f"{text}.p/{width}"

def package(path, folder):
    """A bag in a ZIP, unpacked; returns its names."""
    archive, data, end = zipfile.ZipFile(path), path.read_bytes(), 0
    central = archive.start_dir
    for entry in archive.infolist():
        name = entry.filename.encode()
        plain = not entry.compress_type and not entry.comment and entry.external_attr >> 28 == 8 and ".." not in entry.filename and name[:1] != b"/"
        local = data[end : end + 30 + len(name)]
        need(plain and entry.header_offset == end and local == b"PK\3\4" + data[central + 6 : central + 32] + name and local[28:30] == b"\0\0", entry.filename)
        end, central = end + 30 + len(name) + entry.file_size, central + 46 + len(name)
    need(end == archive.start_dir and len(data) == central + 22, "bytes between or behind")
    names = archive.namelist()
    need(len(set(names)) == len(names) and data[-2:] == b"\0\0" and archive.testzip() is None, "an entry twice, or damaged")
    archive.extractall(folder)
    tags = {"bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt"}
    listed = {name for name in names if name.startswith("data/")}
    need(set(names) - listed <= tags | {"signature.note", "tagmanifest-sha256.txt", "tagmanifest-sha512.txt"}, "files beside the bag")
    for kind in ("sha256", "sha512"):
        for file, what in ((f"manifest-{kind}.txt", listed), (f"tagmanifest-{kind}.txt", tags)):
            lines = [line.split("  ", 1) for line in (folder / file).read_text().splitlines()]
            need({name for _, name in lines} == what and len(lines) == len(what), file)
            need(all(hashlib.new(kind, (folder / name).read_bytes()).hexdigest() == digest for digest, name in lines), file)
    rooms = r"(scope\.json|report\.html|(csv|policies|proofs|store)/.*)"
    need(all(name in TEXTS or re.fullmatch(f"data/{rooms}", name) for name in listed), "files that no package has")
    need(all((folder / name).read_bytes() == known.read_bytes() for name, known in TEXTS.items()), "texts of no release")
    return names

class Record:
    """What the log and its files say, taken in the order of the log."""

    def __init__(self, store, key, checkpoint, people, scope):
        self.store, self.people, self.scope, self.cut = store, [Key(p) for p in people], scope, bool(scope and scope["cut"])
        self.leaves, self.expected, self.noted = [], {"store.json"}, set()
        self.terms, self.sealed, self.holds, self.pruned = None, {}, {}, set()
        self.sessions, self.seen, self.ends, self.gap, self.strangers = {}, set(), {}, False, []
        self.chains, self.policies, self.active, self.approvals = defaultdict(lambda: [0, ZERO]), {}, None, {}
        self.log(key, checkpoint)
        number = lsn = 0
        previous = ""
        for kind, _, content, _ in self.leaves:
            self.retention(kind, content, key.name)
        for kind, payload, content, entry in self.leaves:
            if kind in ("policy", "approval", "review"):
                self.noted.add(content["record_hash"])
            if kind == "segment":
                made = content["predicate"]
                need((made["segment"], made["first_lsn"], made["previous"], made["origin"]) == (number + 1, lsn + 1, previous, key.name), "segment", number + 1)
                number, lsn, previous = made["segment"], made["last_lsn"], sha(payload).hex()
                copy = f"segments/seg-{number:08}.json"
                need((store / copy).read_bytes() == entry, copy)
                self.expected |= {copy}
                self.last = made
                self.segment(made, {s["name"]: s["digest"]["sha256"] for s in content["subject"]})
        need(scope or not self.noted, "leaves without their records")
        need(scope or self.pruned or not self.strangers, "an approval used by nobody's session")

    def log(self, key, older):
        note = (self.store / "log/checkpoint").read_text()
        origin, size, head = note.split("\n")[:3]
        need(origin == key.name and str(int(size)) == size, "another log")
        self.size, entries = int(size), []
        for n in range(0, self.size, 256):
            width = min(256, self.size - n)
            data = (self.store / "log/tile/entries" / tile(n // 256, width)).read_bytes()
            while data:
                (length,) = struct.unpack(">H", data[:2])
                entries.append(data[2 : 2 + length])
                data = data[2 + length :]
        nodes = level = [sha(b"\0", entry) for entry in entries]
        need(len(entries) == self.size and root(nodes) == base64.b64decode(head), "the root is another")
        for depth in range(8):
            for n in range(0, len(level), 256):
                part = level[n : n + 256]
                need((self.store / f"log/tile/{depth}" / tile(n // 256, len(part))).read_bytes() == b"".join(part), "a tile of level", depth)
            level = [root(level[n : n + 256]) for n in range(0, len(level) - 255, 256)]
        parsed = [(opened(entry), entry) for entry in entries]
        rotations = [content for (kind, _, content, _), _ in parsed if kind == TYPE.format("rotation")]
        keys, epoch, last = [(0, Key(rotations[0]["previous"]) if rotations else key)], None, 0
        before = silent = ended = None
        steps = {n: content["step"] for n, ((kind, _, content, _), _) in enumerate(parsed) if kind == TYPE.format("clock")}
        self.keys = {}
        for index, ((kind, payload, content, signed), entry) in enumerate(parsed):
            about, name = content.get("predicate", content), kind.split(".")[-2] if kind.startswith("application/vnd.affidavit.") else "segment"
            known = name in ("key", "heartbeat", "policy", "approval", "review", "recovery", "rotation", "hold", "tombstone", "clock") and kind == TYPE.format(name)
            need(known or kind == "application/vnd.in-toto+json" and content["predicateType"] == "urn:affidavit:segment:v1", kind)
            if name == "key":
                need(signed(keys[-1][1].raw) and about["epoch"] == last + 1, "key leaf", index)
                last, epoch = last + 1, (bytes.fromhex(content["public"]), content["not_after"])
                self.keys[last] = (about["boot"], epoch[0])
            else:
                need(epoch and about["epoch"] == last and about["time"] <= epoch[1], "leaf", index, "of another epoch")
                need(signed(keys[-1][1].raw if name == "rotation" else epoch[0]), "leaf", index, "is not signed")
            if name == "rotation":
                following, epoch = Key(content["next"]), None
                need(content["previous"] == keys[-1][1].text and following.name == key.name and signed(following.raw), "rotation")
                keys.append((index + 1, following))
            need(not (name == "recovery" and content.get("tampered")), content.get("what"))
            if before:
                wall, ticks, same = about["time"] - before["time"], about["monotonic"] - before["monotonic"], about["boot"] == before["boot"]
                told = any(abs(steps.get(n, 1 << 62) - wall) <= 5_000_000 for n in range(index, index + 3))
                need(wall >= -5_000_000 or told if not same else ticks >= 0 and abs(wall - ticks) <= 5_000_000, "clock at leaf", index)
                need(not same or not (ended or silent and ticks > 2 * silent + 60_000_000), "heartbeat before leaf", index)
            before, silent, ended = about, content.get("heartbeat", silent), name == "rotation" or content.get("closing", False)
            self.leaves.append((name, payload, content, entry))
        force = lambda index: [k for start, k in keys if start <= index][-1]  # noqa: E731
        need(key.text in [k.text for _, k in keys] and force(max(self.size - 1, 0)).signed(note), "the head is not signed")
        self.signed = lambda size, note: force(max(size - 1, 0)).signed(note) or force(size).signed(note)
        if older:
            was, size, head = older.split("\n")[:3]
            need(was == origin and (self.signed(int(size), older) or key.signed(older)) and int(size) <= self.size, "not the log of the checkpoint")
            need(root(nodes[: int(size)]) == base64.b64decode(head), "the log does not extend the checkpoint")
        about = json.loads((self.store / "store.json").read_text())
        need((about["format"], about["origin"], about["vkey"]) == (1, origin, keys[0][1].text), "store.json")
        need(all(c.get("predicate", c)["writer"] == about["writer"] for _, _, c, _ in self.leaves), "another writer")

    def ordered(self, note, what, origin):
        """The action of an order of two people."""
        title, log, line, empty = (note.partition("\n\n")[0] + "\n").split("\n")
        order = json.loads(line)
        form = (title, log, empty, line) == ("affidavit order v1", origin, "", json.dumps(order, separators=(",", ":"), ensure_ascii=False))
        need(form and order["action"]["do"] == what, "an order of another kind, or in another form")
        signers = {Key(person).raw for person in self.terms["signers"] if Key(person).signed(note)}
        need(len(signers) > 1 and (not self.people or len(signers & {p.raw for p in self.people}) > 1), "an order that two people did not sign")
        return order["action"]

    def retention(self, kind, content, origin):
        if kind == "key":
            self.terms = content.get("retention")
        elif kind == "segment":
            made = content["predicate"]
            first = min([made["time"], *(file["first_ts"] for file in made["files"])])
            self.sealed[made["segment"]] = (first, made["time"], self.terms["keep"] if self.terms else 0)
        elif kind == "hold" and content["event"] == "added":
            need(content["hold"] not in self.holds, "a hold twice")
            self.holds[content["hold"]] = (content["from"], content["to"])
        elif kind == "hold":
            need(self.holds.pop(content["hold"], None) and self.ordered(content["order"], "release", origin)["hold"] == content["hold"], "release")
        elif kind == "tombstone":
            for first, last in self.ordered(content["order"], "prune", origin)["segments"]:
                for number in range(first, last + 1):
                    since, sealed, promised = self.sealed[number]  # a tombstone before its segment finds none
                    held = [h for h in self.holds.values() if (h[0] is None or h[0] <= sealed) and (h[1] is None or h[1] >= since)]
                    need(number not in self.pruned and content["time"] >= sealed + max(promised, self.terms["keep"]) and not held, "pruned too early, or under a hold")
                    self.pruned.add(number)

    def segment(self, made, hashes):
        number, rows, bodies, records, files, texts = made["segment"], defaultdict(list), {}, [], made["files"], True
        inside = not self.scope or self.scope["first_segment"] <= number <= self.scope["last_segment"]
        need(sorted(hashes) == sorted(file["name"] for file in files), "the two lists of segment", number)
        for file in sorted(files, key=lambda file: file["date"]):
            table, name = file["table"], file["name"]
            need(table in TABLES and name == f"{table}/date={file['date']}/seg-{number:08}.parquet", name)
            self.expected.add(name)
            cut, path = self.cut and table != "policy_versions", self.store / name
            if (not inside and table not in ("policy_versions", "approvals")) or (table in PEOPLE and number in self.pruned) or not path.exists():
                left_out = self.scope and (cut or not inside or table == "statement_bodies") or (table in PEOPLE and number in self.pruned)
                need(left_out, name, "is gone")
                texts &= table != "statement_bodies"
                continue
            need(cut or sha(path.read_bytes()).hex() == hashes[name], name, "has another hash")
            if path.read_bytes()[:4] == b"PARE":
                texts = False
                continue
            groups = pyarrow.parquet.ParquetFile(path).metadata
            need(all(groups.row_group(at).total_byte_size <= max(512 << 20, 500 * path.stat().st_size) for at in range(groups.num_row_groups)), name, "would fill the memory")
            columns = pyarrow.parquet.read_table(path, partitioning=None)
            for at, field in enumerate(columns.schema):
                if str(field.type).startswith("timestamp"):
                    columns = columns.set_column(at, field.name, columns.column(at).cast("int64"))
            found = columns.to_pylist()
            stamps = [record["ts"] for record in found]
            need(all(a["lsn"] <= b["lsn"] for a, b in zip(found, found[1:], strict=False)), name, "is not sorted")
            need(cut or (len(found), min(stamps), max(stamps), path.stat().st_size) == (file["rows"], file["first_ts"], file["last_ts"], file["bytes"]), name)
            need(all(cut or made["first_lsn"] <= record["lsn"] <= made["last_lsn"] and record["ts"] <= made["time"] + 5_000_000 for record in found), name)
            need(cut or str(datetime.fromtimestamp(max(stamps) // 1_000_000, UTC))[:10] == file["date"], name)
            for record in found:
                key = (record.get("session_id"), record.get("statement_id"))
                if table == "rows":
                    rows[key].append(record)
                elif table == "statement_bodies":
                    third = record["schema_version"] > 2
                    body = value(record["sql_text"]) + value(record["params"]) + (value(record["sent_sql"]) if third else b"")
                    bodies[key] = sha(b"affidavit/body/v%d\n" % (3 if third else 1), bytes.fromhex(record["salt"]), text(key[0]), struct.pack(">q", key[1]), body).hex()
                else:
                    record["table"] = table
                    records.append(record)
                    record["hash"] = sha(b"affidavit/record/v1\n", text(table), *(value(v) for c, v in record.items() if c not in ("record_hash", "table"))).hex()
                    need(record["hash"] == record["record_hash"], table, record["lsn"], "is not what its hash says")

        records.sort(key=lambda r: (r["lsn"], 2 if r.get("event") == "close" else r["table"] == "statements", r.get("session_seq", 0)))
        touched = {}
        for record in (r for r in records if r["table"] not in PEOPLE):
            chain = self.chains[record["table"]]
            need(record["prev_hash"] == chain[1] or (self.cut and record["table"] != "policy_versions"), record["table"], record["lsn"], "does not follow")
            self.chains[record["table"]] = [chain[0] + 1, record["hash"]]
            if record["table"] in ("policy_versions", "approvals", "reviews"):
                need(record["hash"] in self.noted, record["table"], record["lsn"], "has no leaf before its segment")
                self.noted.discard(record["hash"])
            {"policy_versions": self.policy, "approvals": self.approval}.get(record["table"], lambda _: None)(record)
        if not inside or number in self.pruned:
            self.gap = not self.cut
            if not inside:
                self.chains = defaultdict(lambda: [0, ZERO], {table: [c["count"], c["head"]] for table, c in made["chains"].items()})
            return
        opening = {r["session_id"] for r in records if r["table"] == "sessions"}
        for (session, statement), some in rows.items():
            need(session in self.sessions or session in opening or self.gap, "rows of a session that is not open")
            self.sessions.setdefault(session, self.fresh(self.gap))["parts"].setdefault(statement, [bytes(32), 0, set()])
            part, first = self.sessions[session]["parts"][statement], some[0]
            version = 2 if first["schema_version"] > 1 else 1
            names, encoded = None, [b"affidavit/rows/v%d\n" % version, text(session), struct.pack(">q", statement)]
            encoded += [value(first["user_id"]), value(first["datasource"])] if version > 1 else []
            for row in some:
                names, same = row["columns"], row["columns"] == names
                encoded += [value(row["result_set"]), value(row["row_index"]), b"\2" if same else value(names), value(row["values"]), value(row["overflow"])]
                encoded += [value(row["shown"])] if version > 1 else []
                part[2] |= {at for at, cell in enumerate(row["values"]) if cell and IDENTIFIER.search(cell)}
            part[0], part[1] = sha(b"affidavit/rows-commit/v1\n", part[0], sha(*encoded)), part[1] + len(some)
        for record in (r for r in records if r["table"] in ("sessions", "statements")):
            touched[record["session_id"]] = self.session(record, bodies, texts)
        need(not bodies, "a body without its statement")
        if self.cut:
            return
        leaf = lambda session, *numbers: uuid.UUID(session).bytes + struct.pack(">Q", numbers[0]) + bytes.fromhex(numbers[1]) + b"".join(struct.pack(">Q", n) for n in numbers[2:])  # noqa: E731
        over = lambda leaves: root([sha(b"\0", one) for one in sorted(leaves)]).hex()  # noqa: E731
        need(over(leaf(session, *place) for session, place in touched.items()) == made["sessions_root"], "the session index of segment", number)
        still = [leaf(session, s["seq"], s["head"], *s["sums"]) for session, s in self.sessions.items()]
        need(self.gap or (over(still), len(still)) == (made["open_root"], made["open_sessions"]), "what is open behind segment", number)
        need({t: tuple(c) for t, c in self.chains.items()} == {t: (c["count"], c["head"]) for t, c in made["chains"].items()}, "the tables' chains")
        need(made["policy"] == self.active, "the policy in force behind segment", number)

    def fresh(self, partial=False):
        return {"seq": 0, "head": ZERO, "sums": [0, 0, 0], "parts": {}, "owner": None, "partial": partial}

    def session(self, record, bodies, texts):
        """Takes a record of a session; where its chain then stands."""
        session, event = record["session_id"], record.get("event", "statement")
        if event in ("open", "denied"):
            need(session not in self.seen, "a session twice:", session)
        elif session not in self.seen:
            need(self.gap, "a session without its opening:", session)
            self.sessions[session] = self.fresh(True) | {"head": record["prev_hash"], "seq": record.get("session_seq", 0)}
        self.seen.add(session)
        state = self.sessions.setdefault(session, self.fresh())
        need(record["prev_hash"] == state["head"], "session", session, "lsn", record["lsn"], "does not follow")
        before, state["head"], state["seq"] = state["head"], record["hash"], state["seq"] + 1
        if event == "open":
            state["owner"] = f"{record['issuer']}|{record['user_id']}"
            if record["policy_version"]:
                self.in_force(record["policy_version"], record["ts"], record["lsn"], 60_000_000)
        elif event == "statement":
            self.statement(record, state, bodies, texts)
        else:
            totals = [record["statement_count"], record["rows_returned"], record["bytes_returned"]]
            need(event == "denied" or state["partial"] or (record["final_hash"], totals, state["parts"]) == (before, state["sums"], {}), "totals of", session)
            del self.sessions[session]
        self.ends[session] = (state["seq"], record["hash"])
        for owner in [o for s, o in self.strangers if s == session and event == "open"]:
            need(owner == state["owner"], "an approval used by another identity")
        self.strangers = [(s, o) for s, o in self.strangers if s != session or event != "open"]
        return state["seq"], record["hash"]

    def statement(self, record, state, bodies, texts):
        session, statement, grant = record["session_id"], record["statement_id"], record["approval_id"]
        need(record["session_seq"] == state["seq"] - 1, "the order of", session)
        if record["schema_version"] > 1 and state["owner"] and record["user_id"]:
            need(state["owner"] == f"{record['issuer']}|{record['user_id']}", "another identity than its session's:", session)
        state["sums"] = [a + b for a, b in zip(state["sums"], (1, record["row_count"], record["bytes_out"]), strict=True)]
        commit, count, odd = state["parts"].pop(statement, (None, 0, set()))
        need(state["partial"] or (count, commit and commit.hex()) == (record["row_count"], record["rows_commit"]), "the rows of", session, statement)
        masks = [column["mask"] for column in record["result_columns"] or []]
        need(not any(at < len(masks) and masks[at] in SHAPELESS for at in odd), "an identifier under a mask:", session, statement)
        need(bodies.pop((session, statement), None) == record["body_commit"] or not texts, "the text of", session, statement)
        self.in_force(record["policy_version"], record["sent"] or record["ts"], record["lsn"], 86_400_000_000 if grant else 60_000_000)
        need(grant or record["decision"] != "approved", "approved by nobody:", session, statement)
        if grant and record["sent"] and record["phase"] != "prepare":
            known = self.approvals.get(grant)
            need(known and (session, statement) in known["used"] and (session, statement) not in known["ran"], "not under its approval:", session, statement)
            known["ran"].add((session, statement))
            need(len(known["ran"]) == 1 or known["window"], "an approval twice")

    def in_force(self, version, at, lsn, slack):
        loaded, periods = self.policies.get(version, (lsn, []))
        need(loaded < lsn and any(since <= at and (until is None or at <= until + slack) for since, until in periods), "policy", version, "was not in force")

    def policy(self, record):
        version, event, periods = record["version"], record["event"], self.policies.get(record["version"], (0, []))[1]
        if event == "loaded":
            need(sha(record["content"].encode()).hex() == version, "the text of policy", version)
            self.policies.setdefault(version, (record["lsn"], []))
        elif event == "activated":
            need(version in self.policies, "a policy without its text")
            if self.active != version:
                need(self.active is None and record["effective_from"] == record["ts"], "policy", version, "begins at another time")
                periods.append([record["ts"], None])
            self.active = version
        else:
            need(event == "superseded" and periods and periods[-1] == [record["effective_from"], None], "policy", version, "ends without having begun")
            periods[-1][1], self.active = record["ts"], None if self.active == version else self.active

    def approval(self, record):
        one, event, who, ts = record["approval_id"], record["event"], record["approver"], record["ts"]
        asks = (record["requester"], record["scope"])
        if event == "requested":
            need(one not in self.approvals, "an approval asked for twice")
            self.approvals[one] = {"asks": asks, "session": record["session_id"], "by": set(), "emergency": 0, "window": 0, "reviewed": 0, "ended": 0, "used": set(), "ran": set(), "time": [None, None]}
            return
        state = self.approvals.get(one)
        need(state and asks == state["asks"] and (not state["ended"] or event == "reviewed"), "approval", one, event)
        if event in ("approved", "denied", "revoked", "reviewed"):
            need(who and who != asks[0] and (record["justification"] or "").strip(), "approval", one, event, "by whom, and why")
        begun, by = state["by"] or state["emergency"], (record["session_id"], record["statement_id"])
        need({"approved": who not in state["by"], "emergency": not begun and not who, "window": state["by"] and not state["used"], "escalated": True,
              "used": begun and (not state["used"] or state["window"]) and by not in state["used"]
              and (state["time"][0] or 0) <= ts and (state["time"][1] is None or ts <= state["time"][1]),
              "reviewed": state["emergency"] and not state["reviewed"]}.get(event, event in ("denied", "revoked", "cancelled", "expired")), "approval", one, event)
        state["by"] |= {who} if event == "approved" else set()
        state["used"] |= {by} if event == "used" else set()
        state.update({name: 1 for name in ("emergency", "window", "reviewed") if event == name})
        state["ended"] |= event in ("denied", "revoked", "cancelled", "expired")
        if event in ("approved", "emergency", "window"):
            state["time"] = [record["valid_from"] or state["time"][0], record["valid_until"] or state["time"][1]]
        if event == "used" and state["session"] and record["session_id"] != state["session"]:
            owner = self.sessions.get(record["session_id"], {}).get("owner")
            need(not owner or owner == asks[0], "an approval used by another identity")
            self.strangers += [] if owner else [(record["session_id"], asks[0])]

    def inventory(self):
        names = r"lock|store\.json|(approvals|webhooks|credentials)\.redb|journal/[^/]+\.(wal|kept)|inbox/[^/]+\.(request|answer|unreadable)|(|journal/|inbox/|log/(.*/)?)\.[^/]+\.draft"
        names += r"|log/(checkpoint|pending|head|tile/([0-9]+|entries)(/x[0-9]{3})*/[0-9]{3}(\.p/[0-9]+)?)"
        folders = rf"log(/.*)?|segments|journal|inbox|({'|'.join(TABLES)})(/date=[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})?"
        carries = {f"segments/seg-{c['predicate']['segment']:08}.carry": c["predicate"]["carry"] for k, _, c, _ in self.leaves if k == "segment"}
        for path in self.store.rglob("*"):
            name = str(path.relative_to(self.store))
            need(not path.is_symlink() and (path.is_file() or path.is_dir() and re.fullmatch(folders, name)), name, "is a link, or a folder that no store has")
            if path.is_file() and name in carries:
                need(sha(path.read_bytes()).hex() == carries[name], name)
            elif path.suffix == ".request":
                need(path.stem.endswith("-" + sha(path.read_bytes()).hex()[:16]), name, "is not as it was left")
            elif path.is_file():
                need(name in self.expected or re.fullmatch(names, name), name, "is not listed")
        if (self.store / "log/pending").exists():
            staged = json.loads((self.store / "log/pending").read_bytes())
            need(staged["size"] <= self.size <= staged["size"] + len([opened(base64.b64decode(e)) for e in staged["entries"]]), "staged leaves")

    def journal(self):
        """Between two signed heads all frames are there and lead to the second."""
        start = getattr(self, "last", {"last_lsn": 0})
        heads, boot, owed = {}, None, False
        for kind, _, content, _ in self.leaves:
            about = content.get("predicate", content)
            boot, owed = about["boot"], owed and about["boot"] == boot
            if kind == "heartbeat" and content.get("journal"):
                heads[content["last_lsn"]], owed = (content["journal"], None), not content["closing"]
            owed &= kind != "rotation"
        own = False
        for line in (self.store / "log/head").read_bytes().splitlines() if (self.store / "log/head").exists() else []:
            try:
                kind, _, head, signed = opened(line)
                if kind == TYPE.format("head") and self.keys[head["epoch"]][0] == head["boot"] and signed(self.keys[head["epoch"]][1]):
                    heads[head["last_lsn"]], own = (head["journal"], head["machine"]), own or head["boot"] == boot
            except (KeyError, ValueError, TypeError):
                continue
        need(own or not owed, "the heads of the journal are gone")
        last, link = start["last_lsn"], bytes.fromhex(start.get("journal") or ZERO)
        heads = {lsn: head for lsn, head in heads.items() if lsn > last}
        files = []
        for path in (self.store / "journal").glob("*.wal"):
            frames = []
            data = path.read_bytes()
            salts = {data[48:52]} if data[:8] == b"AFFDVJ01" and crc32c(data[:52]) == int.from_bytes(data[52:56], "big") else {data[at + 24 : at + 28] for at in range(64, len(data) - 31, 8)}
            at = 64
            while at + 32 <= len(data):
                length, kind, _, zero, lsn, _, salt, crc = struct.unpack(">IBBHQq4sI", data[at : at + 32])
                payload, step = data[at + 32 : at + 32 + length], 8
                if salt in salts and salt != bytes(4) and kind and not zero and len(payload) == length and crc == crc32c(payload + data[at : at + 28]):
                    frames.append((lsn, data[at : at + 28], payload))
                    step = 32 + (length + 7) // 8 * 8
                at += step
            files += [frames] if frames else []
        lies = [frame for frames in sorted(files, key=lambda frames: frames[0][0]) for frame in frames]
        for lsn, header, payload in lies:
            if lsn == last + 1:
                last, link = lsn, sha(b"affidavit/journal/v1\n", link, header, sha(payload))
                need(last not in heads or heads.pop(last)[0] == link.hex(), "journal records up to", last, "are not what was taken")
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        need(not heads, "journal records up to", max(heads, default=0), "are gone")
        need(max((lsn for lsn, _, _ in lies), default=0) <= last, "records", last + 1, "and on have a hole, and the machine", machine, "ran on")

def judge(path, key, older=None, people=()):
    """Raises what is wrong."""
    path, key = Path(path), Key(key)
    with tempfile.TemporaryDirectory() as folder:
        scope, store, folder = None, path, Path(folder)
        if path.is_file():
            package(path, folder)
            scope, store = json.loads((folder / "data/scope.json").read_text()), folder / "data/store"
        record = Record(store, key, older, people, scope)
        record.inventory()
        if not scope:
            record.journal()
            return
        note = (folder / "signature.note").read_text()
        need(note.startswith(f"affidavit package v1\n{sha((folder / 'tagmanifest-sha256.txt').read_bytes()).hex()}\n\n") and record.signed(record.size, note), "the package's signature")
        need((scope["origin"], scope["tree_size"]) == (key.name, record.size) and (not scope["cut"] or set(record.ends) == set(scope["sessions"])), "scope")
        for session in scope["sessions"]:
            proof = json.loads((folder / f"data/proofs/{session}.json").read_text())
            need(record.ends[session] == (proof["records"], proof["head"]), "the proof of", session)
            entry = next(leaf for leaf in record.leaves if leaf[0] == "segment" and leaf[2]["predicate"]["segment"] == proof["segment"])
            leaf = sha(b"\0", uuid.UUID(session).bytes + struct.pack(">Q", proof["records"]) + bytes.fromhex(proof["head"]))
            index = up(leaf, proof["index"], proof["size"], map(bytes.fromhex, proof["path"])).hex()
            need(index == entry[2]["predicate"]["sessions_root"] and record.leaves[proof["log_index"]] is entry, "the proof of", session)

if __name__ == "__main__":
    older = [Path(sys.argv[at + 1]).read_text() for at, word in enumerate(sys.argv) if word == "--checkpoint"]
    people = [sys.argv[at + 1] for at, word in enumerate(sys.argv) if word == "--signer"]
    try:
        judge(sys.argv[1], sys.argv[2], older[0] if older else None, people)
        print("good")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
