"""What a machine lacks is found out by doing, and said before anything is built: names of files promise nothing."""

import os
import subprocess

import pytest

from fleet import needs
from fleet.paths import ROOT, TESTDATA
from fleet.process import Failed

NOBODY = 65534


def program(folder, name, script):
    """An executable of that name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_everything_that_a_target_names_is_declared():
    for target, names in needs.TARGETS.items():
        assert [name for name in names if name not in needs.NEEDS] == [], target
    for name, need in needs.NEEDS.items():
        assert need.packages or need.advice, f"nobody could do anything about a missing {name}"


def test_what_the_tests_use_is_there():
    assert needs.lacking(["rust", "cc", "authorities", "python", "openssl", "postgres", "mariadb"]) == []


def test_a_compiler_that_cannot_link_is_no_compiler(tmp_path, monkeypatch):
    # It has the name, it says its version, it even compiles; as a compiler without the C library's files does.
    program(tmp_path, "cc", 'case "$*" in *--version*) echo "cc 12"; exit 0;; *) echo "cannot find crt1.o" >&2; exit 1;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert needs.runs("cc", "--version") and needs.lacking(["cc"]) == ["cc"]


def test_a_program_that_does_not_start_is_not_there(tmp_path, monkeypatch):
    for name in ("openssl", "cargo"):
        program(tmp_path, name, "echo 'error while loading shared libraries' >&2; exit 127")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert needs.lacking(["openssl", "rust", "cc"]) == ["openssl", "rust"]


def test_a_jar_that_is_cut_off_is_no_driver(tmp_path):
    cut = tmp_path / "postgresql.jar"
    cut.write_bytes(b"PK\x03\x04")
    assert not needs.holds(cut, "org/postgresql/Driver.class")


def test_a_folder_of_the_right_name_is_no_server(tmp_path, monkeypatch):
    folder = tmp_path / "usr/lib/postgresql/99/bin"
    folder.mkdir(parents=True)
    program(folder, "psql", "echo psql 99")  # the client's package alone
    monkeypatch.setattr(needs, "POSTGRES", tmp_path / "usr/lib/postgresql")
    assert needs.postgres_folder() is None


def test_as_a_user_the_package_and_the_command_are_named_and_nothing_is_installed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(needs, "IS_ROOT", False)
    monkeypatch.setattr(needs, "apt_get", lambda packages: pytest.fail(f"installed {packages}"))
    program(tmp_path, "openssl", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Failed) as ended:
        needs.have("cc", "openssl")
    assert ended.value.code == 3
    said = capsys.readouterr().err
    assert "missing: openssl." in said and "apt-get install -y --no-install-recommends openssl" in said and "gcc" not in said


def test_what_is_still_unusable_once_installed_ends_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(needs, "IS_ROOT", True)
    installed = []
    monkeypatch.setattr(needs, "apt_get", installed.extend)
    program(tmp_path, "openssl", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Failed):
        needs.have("openssl")
    assert installed == ["openssl"] and "still not usable" in capsys.readouterr().err


def test_without_rust_it_says_where_rust_comes_from_before_it_installs_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(needs, "apt_get", lambda packages: pytest.fail(f"installed {packages}"))
    for name in ("cargo", "openssl"):
        program(tmp_path, name, "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Failed):
        needs.have("rust", "openssl")
    assert "rustup" in capsys.readouterr().err


def test_the_command_that_the_makefile_runs(tmp_path):
    """As somebody who may install nothing: exit code 3, the package, the command."""
    for name in ("cc", "cargo"):
        program(tmp_path, name, "exit 0" if name == "cargo" else "exit 1")
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(folder.stat().st_mode | 0o055)
    drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", TESTDATA / "toolchain", "build"], cwd=ROOT, capture_output=True, text=True, env={"PATH": path, "HOME": str(tmp_path)}, **drop,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "gcc libc6-dev" in done.stdout + done.stderr and "apt-get install" in done.stdout + done.stderr
