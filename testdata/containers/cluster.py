"""The manifests of compose/kubernetes: rendered, checked, and one of the pods run."""

import json
import os
import shutil
import subprocess
import time

from fleet import tls
from fleet.paths import TESTDATA

from .engine import HOME, IMAGES
from .pod import Pod, random_hex, secret

IMAGE = "localhost/affidavit:demo"
IDP = "localhost/affidavit-demo-idp:demo"
POSTGRES_GROUP = 999  # as in the image
# Whom staging's configuration names.
DATABASE, ISSUER = "ehr-db.staging.example.org", "login.example.org"


def judge(check, engine, home, evidence):
    """Render and check all of them; run staging's pod through a start, a changed rule, and an end."""
    done = subprocess.run([engine.python, "-m", "containers.manifests", HOME], cwd=TESTDATA, capture_output=True, text=True)
    if not check("kustomize renders base and overlays; schemas and the restricted standard hold", done.returncode == 0, done.stderr[-3000:]):
        return
    home.mkdir(parents=True, exist_ok=True)
    certificate, key = tls.certificate(home, "pod", names=("localhost", DATABASE, ISSUER))
    made = subprocess.run([evidence, "keys", "generate", "--origin", "affidavit.staging.example.org/ehr", "--out", home / "log.key"], capture_output=True, text=True, check=True)
    words_of = {"log_key": (home / "log.key").read_bytes(), "masking_key": random_hex(), "ehr_password": random_hex(), "console_secret": random_hex(), "ca_crt": tls.authority(home).read_bytes()}
    secrets = {"affidavit": secret(**words_of), "affidavit-tls": secret(tls_crt=certificate.read_bytes(), tls_key=key.read_bytes())}
    pod = Pod(engine, home, json.loads(done.stdout)["overlays/staging"], secrets)
    try:
        pod.start(IMAGE, (DATABASE, ISSUER))
        check("the pod's entry point and mounts work as written: its startup probe passes", pod.started(), pod.logs()[-3000:])
        well, words = pod.probe("livenessProbe")
        check("so does its liveness probe", well, words + pod.logs()[-2000:])
        lacking = "no identity provider can be asked, no database answers"
        check("its readiness probe does not while it is alone, and says why", eventually(lambda: lacking in pod.probe("readinessProbe")[1]), pod.probe("readinessProbe")[1])
        neighbours(engine, pod, words_of["ehr_password"], home)
        check("and does once it has its database and its issuer", eventually(lambda: pod.probe("readinessProbe")[0]), pod.probe("readinessProbe")[1] + pod.logs()[-2000:])
        said = pod.logs()
        check("keys lent to the pod's group are no reason to refuse or to warn", "can be read by others" not in said, said[-2000:])
        rules = pod.maps["affidavit-policies"]["data"]["start.toml"] + '\n[[mask]]\nname = "zip"\ncolumns = ["*.*.patients.zip"]\nwith = "redact"\n'
        pod.projected(home / "policies", {"start.toml": rules.encode()}, 0o644, pod.spec["securityContext"]["fsGroup"])
        check("a changed ConfigMap is taken up without a restart", taken_up(pod), pod.logs()[-2000:])
        check("it ends in good order", pod.stop() == 0, pod.logs()[-2000:])
        check("with a record that verifies", engine.podman(
            "run", "--rm", "--network=none", "--entrypoint=/usr/bin/evidence", f"--volume={home / 'store'}:/store:ro", IMAGE,
            "verify", "/store/audit", "--key", made.stdout.strip(), check=False).returncode == 0)
    finally:
        pod.remove()


def neighbours(engine, pod, password, home):
    """A PostgreSQL and an OpenID provider under the names that the configuration has."""
    folder = home / "neighbours"
    folder.mkdir()
    for name in ("pod.crt", "pod.key"):
        shutil.copy(home / "tls" / name, folder / name)
    (folder / "10-users.sql").write_text(f"CREATE ROLE affidavit LOGIN PASSWORD '{password}';\n")
    (folder / "admin.password").write_text(random_hex())
    for path in folder.iterdir():
        os.chown(path, 0, POSTGRES_GROUP)
        path.chmod(0o440)
    initial = f"--volume={folder / '10-users.sql'}:/docker-entrypoint-initdb.d/10-users.sql:ro"
    pod.neighbour(
        "postgres", IMAGES["postgres"], "postgres", "-c", "ssl=on", "-c", "ssl_cert_file=/tls/pod.crt", "-c", "ssl_key_file=/tls/pod.key",
        options=(f"--volume={folder}:/tls:ro", initial, "--env=POSTGRES_DB=ehr", "--env=POSTGRES_PASSWORD_FILE=/tls/admin.password"),
    )
    pod.neighbour(
        "idp", IDP, "--issuer", f"https://{ISSUER}", "--address", "127.0.0.1", "--port", "443", "--keys", "/tmp/keys.json", "--cert", "/tls/pod.crt",
        "--key", "/tls/pod.key", "--redirect", "https://affidavit.staging.example.org/login/callback", options=("--user=0:0", f"--volume={folder}:/tls:ro"),
    )


def eventually(ready, patience=90):
    """Poll, as seldom as a kubelet does."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(1)
    return False


def taken_up(pod):
    """Whether the proxy says before long that a second policy is in force."""
    return eventually(lambda: pod.logs().count("policy in force") == 2)
