"""The store and its packages, read by others: DuckDB, pyarrow, bagit-python, openssl, and our verify.py.

Run with the test data's virtual environment: `pytest evidence/tests`. Needs cargo, for a sample store."""

import base64
import hashlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import zipfile

import bagit
import duckdb
import pyarrow.parquet
import pytest

CRATE = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CRATE.parent / "target")) / "debug"
VERIFY = CRATE / "tools" / "verify.py"


def run(*args, check=True, cwd=None):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, cwd=cwd)
    assert not check or done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A folder with a store, its key and a configuration."""
    made = TARGET / "examples" / "sample_store"
    sources = [path for part in ("src", "examples", "tests") for path in (CRATE / part).rglob("*.rs")]
    if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        # `make unit` has built it. The whole workspace: alone, the crate has other features, and all is built once more.
        run("cargo", "build", "-q", "--workspace", "--locked", "--bins", "--example", "sample_store", cwd=CRATE.parent)
    folder = tmp_path_factory.mktemp("sample")
    run(TARGET / "examples" / "sample_store", folder)
    return folder


@pytest.fixture(scope="session")
def vkey(sample):
    return (sample / "log.vkey").read_text().strip()


def export(sample, out, *filters):
    run(TARGET / "evidence", "export", "--config", sample / "affidavit.toml", "--out", out, *filters)
    return out


@pytest.fixture(scope="session")
def package(sample, tmp_path_factory):
    return export(sample, tmp_path_factory.mktemp("package") / "all.zip", "--with-bodies")


def unpacked(package, folder):
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


def test_verify_py_passes_what_nobody_touched(sample, package, vkey, tmp_path):
    filtered = export(sample, tmp_path / "one.zip", "--identity", "agent-2")
    for path in (sample / "store", package, filtered):
        done = run(sys.executable, VERIFY, path, "--key", vkey, check=False)
        assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout + done.stderr
    assert "PASS         row commitments" in run(sys.executable, VERIFY, package, "--key", vkey).stdout


def test_verify_py_out_of_a_pipe_says_what_it_cannot_compare(package, vkey):
    # As compose/README.md runs it: out of the package, without a file of its own.
    done = subprocess.run([sys.executable, "-", package, "--key", vkey], input=VERIFY.read_text(), capture_output=True, text=True)
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout + done.stderr
    assert "NOT CHECKED  program of the package" in done.stdout and "PASS         texts and program" in done.stdout


def test_verify_py_does_not_believe_another_key(package, tmp_path):
    other = run(TARGET / "evidence", "keys", "generate", "--origin", "audit.example.org/test", "--out", tmp_path / "k").stdout
    done = run(sys.executable, VERIFY, package, "--key", other.strip(), check=False)
    assert done.returncode == 1 and "FAIL         log signature" in done.stdout


def test_a_flipped_byte_anywhere_is_found_by_both(sample, vkey, tmp_path):
    kinds = {}
    for path in sorted((sample / "store").rglob("*")):
        if path.is_file() and path.stat().st_size and path.suffix != ".carry" and "inbox" not in path.parts:
            kinds.setdefault((path.relative_to(sample / "store").parts[:3], path.suffix), path)
    assert len(kinds) > 10
    for number, path in enumerate(kinds.values()):
        relative = path.relative_to(sample / "store")
        copied = tmp_path / str(number)
        shutil.copytree(sample / "store", copied)
        data = bytearray((copied / relative).read_bytes())
        data[len(data) // 2] ^= 1
        (copied / relative).write_bytes(data)
        assert run(TARGET / "evidence", "verify", copied, "--key", vkey, check=False).returncode == 1, relative
        done = run(sys.executable, VERIFY, copied, "--key", vkey, check=False)
        assert done.returncode == 1, f"{relative}: {done.stdout}"


def rewrite(store, table, edit):
    """Changes records of a table in the first file that has them, and mends the file's hash in the copy of its manifest."""
    path = sorted((store / table).rglob("*.parquet"))[0]
    records = pyarrow.parquet.read_table(path, partitioning=None)
    pyarrow.parquet.write_table(edit(records), path)


def test_edited_records_are_found_by_both(sample, vkey, tmp_path):
    edits = {
        "statements": lambda table: table.slice(1),
        "rows": lambda table: table.slice(0, table.num_rows - 1),
        "approvals": lambda table: table.set_column(
            table.schema.get_field_index("justification"), "justification", [["because"] * table.num_rows]
        ),
    }
    for number, (table, edit) in enumerate(edits.items()):
        copied = tmp_path / str(number)
        shutil.copytree(sample / "store", copied)
        rewrite(copied, table, edit)
        for command in ([TARGET / "evidence", "verify"], [sys.executable, VERIFY]):
            done = run(*command, copied, "--key", vkey, check=False)
            assert done.returncode == 1 and "FAIL         file hashes" in done.stdout, done.stdout


def test_the_package_is_a_bag(package, tmp_path):
    bag = bagit.Bag(str(unpacked(package, tmp_path / "bag")))
    bag.validate()
    assert (tmp_path / "bag" / "data" / "report.html").read_text().startswith("<!doctype html>")


def test_equal_contents_give_equal_packages_but_for_the_time(sample, tmp_path):
    first, second = (unpacked(export(sample, tmp_path / f"{n}.zip"), tmp_path / n) for n in "ab")
    for path in sorted(first.rglob("*")):
        if path.is_file() and path.name not in ("scope.json", "report.html", "signature.note") and "manifest" not in path.name:
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


def test_openssl_verifies_the_head_as_verify_md_says(package, vkey, tmp_path):
    bag = unpacked(package, tmp_path / "bag")
    text, _, signature = (bag / "data/store/log/checkpoint").read_text().rpartition("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "sig").write_bytes(base64.b64decode(signature.split(" ")[2])[4:])
    public = base64.b64decode(vkey.split("+", 2)[2])[1:]
    (tmp_path / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + public)
    done = run(
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "key.der", "-keyform", "DER", "-rawin",
        "-in", tmp_path / "text", "-sigfile", tmp_path / "sig",
    )
    assert "Verified Successfully" in done.stdout


def test_duckdb_reads_the_views(sample):
    sql = run(TARGET / "evidence", "views", "--store", sample / "store").stdout
    database = duckdb.connect()
    database.execute(sql)
    assert database.execute("SELECT count(*) FROM statements").fetchone() == (10,)
    assert database.execute("SELECT count(*) FROM sessions WHERE event = 'denied'").fetchone() == (1,)
    cells = database.execute('SELECT DISTINCT cell(columns, "values", \'ssn\') FROM rows').fetchall()
    assert cells == [("***",)]
    masks = database.execute("SELECT DISTINCT c.mask FROM statements, unnest(result_columns) AS t(c) WHERE c.mask IS NOT NULL").fetchall()
    assert masks == [("redact",)]
    assert database.execute("SELECT DISTINCT class_uid, type_uid FROM ocsf_datastore_activity").fetchall() == [(6005, 600504)]
    assert database.execute("SELECT count(*) FROM ocsf_authentication WHERE status_id = 2").fetchone() == (1,)


def test_pyarrow_reads_types_that_analysts_expect(sample):
    schema = pyarrow.parquet.read_schema(sorted((sample / "store" / "statements").rglob("*.parquet"))[0])
    assert str(schema.field("ts").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("tables").type) == "list<element: string>"
    file = pyarrow.parquet.ParquetFile(sorted((sample / "store" / "rows").rglob("*.parquet"))[0])
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.metadata.row_group(0).sorting_columns[0].column_index == 1


def test_what_is_derived_is_made_again_by_both(package, vkey, tmp_path):
    """A report or a table that says something else than the originals, in a bag whose hashes are all right."""
    edits = {
        "data/report.html": ("agent-long", "agent-none"),
        "data/csv/statements.csv": ("completed", "cancelled"),
        "data/csv/approvals.csv": ("treatment of case 7", "treatment of case 8"),
        "data/scope.json": ('"population": 5', '"population": 4'),
    }
    for number, (name, (before, after)) in enumerate(edits.items()):
        folder = unpacked(package, tmp_path / str(number))
        text = (folder / name).read_bytes().decode()
        assert before in text, name
        (folder / name).write_bytes(text.replace(before, after).encode())
        for path in (folder / "data").parent.glob("*manifest-*"):
            path.unlink()
        bag(folder)
        out = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(out, "w") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    info = zipfile.ZipInfo(str(path.relative_to(folder)))
                    info.external_attr = 0o100644 << 16
                    archive.writestr(info, path.read_bytes())
        for command in ([TARGET / "evidence", "verify"], [sys.executable, VERIFY]):
            done = run(*command, out, "--key", vkey, check=False)
            assert done.returncode == 1 and "FAIL         report and CSV derived" in done.stdout, f"{name}: {done.stdout}"
            assert "FAIL         package signature" in done.stdout


def bag(folder):
    """Writes the manifests of a bag anew."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    tags = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt")
    for algorithm in ("sha256", "sha512"):
        lines = [f"{hashlib.new(algorithm, (folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names if n.startswith("data/")]
        (folder / f"manifest-{algorithm}.txt").write_text("".join(lines))
    for algorithm in ("sha256", "sha512"):
        lines = [f"{hashlib.new(algorithm, (folder / n).read_bytes()).hexdigest()}  {n}\n" for n in tags]
        (folder / f"tagmanifest-{algorithm}.txt").write_text("".join(lines))


def test_readings_are_noted(sample, tmp_path):
    """Every reading leaves word in the inbox; the next writer takes it into the record."""
    export(sample, tmp_path / "noted.zip")
    run(TARGET / "evidence", "sessions", "--store", sample / "store")
    run(TARGET / "evidence", "seal", "--config", sample / "affidavit.toml")
    accesses = json.loads(run(TARGET / "evidence", "accesses", "--store", sample / "store", "--json").stdout)
    assert {"exported", "queried"} <= {access["action"] for access in accesses}
    assert all(len(access["package_hash"]) == 64 for access in accesses if access["action"] == "exported")


def test_the_published_hash_is_that_of_the_file(sample, tmp_path):
    out = tmp_path / "hash.zip"
    done = json.loads(
        run(TARGET / "evidence", "export", "--config", sample / "affidavit.toml", "--out", out, "--json").stdout
    )
    assert done["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()


FIRST = CRATE / "tests" / "stores" / "first"


def test_a_store_of_the_first_format_passes_both():
    key = (CRATE / "tests" / "stores" / "first.vkey").read_text().strip()
    for command in ([TARGET / "evidence", "verify"], [sys.executable, VERIFY]):
        run(*command, FIRST, "--key", key)


def both(path, vkey, *options):
    """The exit codes of both verifiers."""
    return [run(*command, path, "--key", vkey, *options, check=False).returncode for command in ([TARGET / "evidence", "verify"], [sys.executable, VERIFY])]


def repacked(package, tmp_path, change):
    """A package with something changed in it and all of the bag's hashes right."""
    folder, out = tmp_path / "bag", tmp_path / "out.zip"
    shutil.rmtree(folder, ignore_errors=True)
    unpacked(package, folder)
    out.unlink(missing_ok=True)  # it may be the package itself
    change(folder)
    for path in folder.glob("*manifest-*"):
        path.unlink()
    bag(folder)
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(str(path.relative_to(folder)))
                info.external_attr = 0o100644 << 16
                archive.writestr(info, path.read_bytes())
    return out


def replaced(name, before, after):
    def change(folder):
        text = (folder / name).read_bytes().decode()
        assert before in text, name
        (folder / name).write_bytes(text.replace(before, after, 1).encode())

    return change


TAMPERINGS = {
    "a sentence more in the report": replaced("data/report.html", "</body>", "<p>All was found in order.</p></body>"),
    "a note less in the report": replaced("data/report.html", "<p class=note>", "<p hidden>"),
    "a style that says something": replaced("data/report.html", "</style>", "h1:after{content:' - approved'}</style>"),
    "another README": replaced("data/README.md", "Evidence", "Evidences"),
    "another VERIFY": replaced("data/VERIFY.md", "How to verify", "How to trust"),
    "another verify.py": replaced("data/tools/verify.py", "import argparse", "import sys; sys.exit(0); import argparse"),
    "a file more": lambda folder: (folder / "data" / "NOTE.txt").write_text("ignore the rest"),
    "a file more at the top": lambda folder: (folder / "NOTE.txt").write_text("ignore the rest"),
    "the filter struck out": replaced("data/scope.json", '"identity": "agent-1"', '"identity": null'),
    "another population": replaced("data/scope.json", '"population": 5', '"population": 1'),
    "a part called whole": replaced("data/scope.json", '"cut": true', '"cut": false'),
    "less left out": replaced("data/scope.json", '"records": 1', '"records": 0'),
    "another format": replaced("data/scope.json", "affidavit package 2", "affidavit package 9"),
    "another writer": replaced("data/scope.json", '"writer": "', '"writer": "0'),
    "exclusions struck out": replaced("data/scope.json", "the records of other sessions", "nothing of the other sessions"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_both_refuse_the_same_packages(sample, vkey, tmp_path, what):
    package = export(sample, tmp_path / "cut.zip", "--identity", "agent-1")
    bare = repacked(package, tmp_path, lambda folder: (folder / "signature.note").unlink())
    assert both(bare, vkey) == [1, 1], "nobody signed it"
    assert both(bare, vkey, "--unsigned") == [0, 0]
    changed = repacked(bare, tmp_path, TAMPERINGS[what])
    assert both(changed, vkey, "--unsigned") == [1, 1]


def test_nothing_lies_around_the_archive(package, vkey, tmp_path):
    good = package.read_bytes()
    for number, bytes_ in enumerate([b"#!/bin/sh\n" + good, good + b"tail", good[:-2] + b"\x04\x00tail"]):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(bytes_)
        assert 0 not in both(path, vkey), number


def test_a_filtered_package_holds_nobody_else(sample, vkey, tmp_path):
    package = export(sample, tmp_path / "one.zip", "--identity", "agent-1", "--with-bodies")
    assert both(package, vkey) == [0, 0]
    folder = unpacked(package, tmp_path / "one")
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "verify.py":
            assert b"agent-long" not in path.read_bytes() and b"agent-2" not in path.read_bytes(), path
    seen = {
        record["session_id"] for path in folder.rglob("*.parquet")
        for record in pyarrow.parquet.read_table(path, partitioning=None).to_pylist() if record.get("session_id")
    }
    assert len(seen) == 1


def limited():
    """What a command may take: a small file must not make it take more."""
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def test_a_small_file_that_would_fill_the_memory_is_refused_everywhere(sample, vkey, tmp_path):
    column = pyarrow.array(["A" * (1 << 20)] * 700)
    bomb = tmp_path / "bomb.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"sql_text": column}), bomb, compression="zstd", use_dictionary=False, data_page_size=1 << 30
    )
    assert bomb.stat().st_size < 1 << 20
    session = json.loads(run(TARGET / "evidence", "sessions", "--store", sample / "store", "--json").stdout)[0]["session_id"]
    for table in ("sessions", "statements", "rows"):
        store = tmp_path / table / "store"
        shutil.copytree(sample / "store", store)
        for path in (store / table).rglob("*.parquet"):
            shutil.copy(bomb, path)
        (tmp_path / table / "log.key").write_text((sample / "log.key").read_text())
        (tmp_path / table / "log.key").chmod(0o600)
        config = tmp_path / table / "affidavit.toml"
        config.write_text((sample / "affidavit.toml").read_text())
        for words in (
            ["sessions", "--store", store], ["statements", "--store", store], ["show", session, "--store", store],
            ["export", "--config", config, "--out", tmp_path / table / "out.zip"], ["verify", store, "--key", vkey],
        ):
            done = subprocess.run(
                [str(word) for word in (TARGET / "evidence", *words)], capture_output=True, text=True, check=False, preexec_fn=limited
            )
            reads = words[0] in ("verify", "export", "show") or words[0] == table
            assert done.returncode == (1 if words[0] == "verify" else 3) or not reads, (table, words[0], done.returncode, done.stdout[-300:], done.stderr[-300:])
            assert done.returncode in (0, 1, 3), (words, done.stderr[-500:])
