"""While the demo is up: what its containers may do, what they hold, what is published, and that their probes tell the truth."""

import json
import os
import subprocess
import sys
from pathlib import Path

from fleet.demo import Checks

SERVICES = ("affidavit", "postgres", "mariadb", "idp")
PUBLISHED = {"6432", "6433", "8443", "8444", "9443"}


def podman(*args):
    """Run podman to its end, whatever it says."""
    return subprocess.run(["podman", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def inspected(name):
    """What podman knows of a container."""
    (about,) = json.loads(podman("inspect", name).stdout)
    return about


def main():
    check = Checks()
    names = {service: f"affidavit_{service}_1" for service in SERVICES}
    made = Path(os.environ["COMPOSE_WORLD"]) / "tree/compose/made"
    about = {service: inspected(name) for service, name in names.items()}
    ours = about["affidavit"]
    for service, name in names.items():
        probe = podman("healthcheck", "run", name)
        check(f"{service} is healthy by its own probe", probe.returncode == 0, probe.stdout + probe.stderr)
    shell = podman("exec", names["affidavit"], "sh", "-c", "true")
    check("the image has no shell", shell.returncode != 0, shell.stdout)
    for service in ("affidavit", "idp"):
        host = about[service]["HostConfig"]
        check(f"{service} has a read-only root", host["ReadonlyRootfs"] is True, str(host))
        check(f"{service} has no capability", about[service]["EffectiveCaps"] in (None, []), str(about[service]["EffectiveCaps"]))
        check(f"{service} can gain no privilege", "no-new-privileges" in str(host["SecurityOpt"]), str(host["SecurityOpt"]))
    check("affidavit is not root", ours["Config"]["User"] == "65532:65532", ours["Config"]["User"])
    labels = ours["Config"]["Labels"]
    wanted = {f"org.opencontainers.image.{word}" for word in ("title", "description", "licenses", "version", "revision")}
    check("the image carries its labels", wanted <= set(labels), str(labels))
    ports = [(service, port, address) for service in SERVICES for port, bound in about[service]["HostConfig"]["PortBindings"].items() for address in bound]
    check("what is published is what the page lists, on loopback", {a["HostPort"] for _, _, a in ports} == PUBLISHED and {a["HostIp"] for _, _, a in ports} == {"127.0.0.1"}, str(ports))
    check("no database is published", not {"postgres", "mariadb"} & {service for service, _, _ in ports}, str(ports))
    secrets = [path.read_text().strip() for path in made.glob("*/*") if path.is_file() and path.suffix in (".key", ".password", ".secret")]
    check("there are secrets to look for", len(secrets) >= 9, str(len(secrets)))
    environments = "".join("\n".join(about[service]["Config"]["Env"]) for service in SERVICES)
    check("none is in an environment", not [secret for secret in secrets if secret in environments])
    files = {service: {Path(mount["Source"]).relative_to(made).parts[0] for mount in about[service]["Mounts"] if str(made) in mount["Source"]} for service in SERVICES}
    for service in SERVICES:
        foreign = files[service] - {service, "ca.crt", "policies", "packages"}
        check(f"{service} sees its own secrets alone", not foreign, str(foreign))
    ready = podman("exec", names["affidavit"], "/usr/bin/affidavit", "health", "--ready")
    check("affidavit is ready for sessions", ready.returncode == 0 and ready.stdout == "ready\n", ready.stdout + ready.stderr)
    health = podman("exec", "--env", "AFFIDAVIT_CONSOLE=https://localhost:1", names["affidavit"], "/usr/bin/affidavit", "health")
    check("a probe that reaches nobody says so (exit code 3)", health.returncode == 3 and "cannot be asked" in health.stderr, f"{health.returncode} {health.stderr}")
    health = podman("exec", "--env", "AFFIDAVIT_CA=", names["affidavit"], "/usr/bin/affidavit", "health")
    check("and trusts no certificate but those it is told to", health.returncode != 0, f"{health.returncode} {health.stderr}")
    write = subprocess.run(
        ["docker", "compose", "--profile", "tools", "run", "--rm", "-T", "--entrypoint", "touch", "analyst", "/var/lib/affidavit/audit/x"],
        cwd=made.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )
    check("an analyst cannot write into the store", write.returncode != 0 and "Read-only file system" in write.stderr, f"{write.returncode} {write.stderr[-500:]}")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
