"""The manifests of compose/kubernetes: rendered, checked, and one of the pods run."""

import json
import subprocess
import time

from fleet import tls
from fleet.paths import TESTDATA

from .engine import HOME
from .pod import Pod, random_hex, secret

IMAGE = "localhost/affidavit:demo"


def judge(check, engine, home, evidence):
    """Render and check all of them; run staging's pod through a start, a changed rule, and an end."""
    done = subprocess.run([engine.python, "-m", "containers.manifests", HOME], cwd=TESTDATA, capture_output=True, text=True)
    if not check("kustomize renders base and overlays; schemas and the restricted standard hold", done.returncode == 0, done.stderr[-3000:]):
        return
    home.mkdir(parents=True, exist_ok=True)
    certificate, key = tls.certificate(home, "pod")
    made = subprocess.run([evidence, "keys", "generate", "--origin", "affidavit.staging.example.org/ehr", "--out", home / "log.key"], capture_output=True, text=True, check=True)
    words = {"log_key": (home / "log.key").read_bytes(), "masking_key": random_hex(), "ehr_password": random_hex(), "console_secret": random_hex(), "ca_crt": tls.authority(home).read_bytes()}
    secrets = {"affidavit": secret(**words), "affidavit-tls": secret(tls_crt=certificate.read_bytes(), tls_key=key.read_bytes())}
    pod = Pod(engine, home, json.loads(done.stdout)["overlays/staging"], secrets)
    try:
        pod.start(IMAGE)
        check("the pod's entry point and mounts work as written: its startup probe passes", pod.started(), pod.logs()[-3000:])
        for name in ("readinessProbe", "livenessProbe"):
            check(f"so does its {name}", pod.probe(name), pod.logs()[-2000:])
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


def taken_up(pod):
    """Whether the proxy says before long that a second policy is in force."""
    for _ in range(120):
        if pod.logs().count("policy in force") == 2:
            return True
        time.sleep(0.5)
    return False
