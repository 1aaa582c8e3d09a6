"""A Deployment's container, run as its manifest says: image, arguments, user, mounts as a kubelet makes them, probes.

There is no cluster here. What a kubelet would do is done with Podman: ConfigMaps and Secrets become files behind `..data`
links, owned by root and lent to the pod's group; the claim becomes a folder of that group; the probes are asked from the
pod's own network.
"""

import base64
import os
import subprocess
import time
from pathlib import Path

PROBE = """
import ssl, sys, urllib.request, urllib.error
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # as a kubelet's httpGet does
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2]), context=context).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code} {error.read().decode()}")
except OSError as error:
    sys.exit(str(error))
"""


class Pod:
    """One pod of one container."""

    def __init__(self, engine, home, objects, secrets):
        self.engine, self.home, self.secrets = engine, Path(home), secrets
        self.maps = {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == "ConfigMap"}
        (self.deployment,) = [thing for thing in objects if thing["kind"] == "Deployment"]
        self.spec = self.deployment["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.neighbours = []
        self.name = f"affidavit-pod-{self.deployment['metadata']['namespace']}-{self.home.name}"

    def start(self, image, here=()):
        """Run it, detached, where the names `here` are this network. The manifest's image is the one that was built."""
        self.engine.podman("tag", image, self.container["image"])
        user, own = self.spec["securityContext"], self.container["securityContext"]
        line = ["run", "--detach", "--name", self.name, "--network=none", f"--user={user['runAsUser']}:{user['runAsGroup']}", f"--group-add={user['fsGroup']}"]
        line += [f"--add-host={name}:127.0.0.1" for name in here]
        line += ["--read-only"] if own["readOnlyRootFilesystem"] else []
        line += ["--security-opt=no-new-privileges"] if own["allowPrivilegeEscalation"] is False else []
        line += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
        line += [f"--env={entry['name']}={entry['value']}" for entry in self.container.get("env", [])]
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            mode = "ro" if mount.get("readOnly") else "rw"
            line.append(f"--volume={self.volume(volumes[mount['name']], user['fsGroup'])}:{mount['mountPath']}:{mode}")
        self.engine.podman(*line, self.container["image"], *self.container["args"])

    def volume(self, volume, group):
        """The folder that stands for a volume, as a kubelet would hand it over."""
        folder = self.home / volume["name"]
        if "configMap" in volume:
            files = {name: text.encode() for name, text in self.maps[volume["configMap"]["name"]]["data"].items()}
            return self.projected(folder, files, 0o644, group)
        if "secret" in volume:
            return self.projected(folder, self.secrets[volume["secret"]["secretName"]], volume["secret"]["defaultMode"], group)
        folder.mkdir(exist_ok=True)
        os.chown(folder, 0, group)
        folder.chmod(0o2777 if "emptyDir" in volume else 0o2775)
        return folder

    @staticmethod
    def projected(folder, files, mode, group):
        """Files behind links, exchanged as a whole: folder/name → ..data/name, ..data → a folder of this version."""
        version = folder / f"..{time.time_ns()}"
        version.mkdir(parents=True)
        for path in (folder, version):
            path.chmod(0o755)
        for name, content in files.items():
            path = version / name
            path.write_bytes(content)
            os.chown(path, 0, group)
            path.chmod(mode)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        draft = folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.rename(folder / "..data")
        return folder

    def probe(self, name):
        """Ask a probe once: whether it passes, and what was answered."""
        probe = self.container[name]
        get, ports = probe["httpGet"], {port["name"]: port["containerPort"] for port in self.container["ports"]}
        url = f"{get['scheme'].lower()}://127.0.0.1:{ports.get(get['port'], get['port'])}{get['path']}"
        pid = self.engine.podman("inspect", "--format={{.State.Pid}}", self.name).stdout.strip()
        if pid == "0":
            return False, "it does not run"
        line = ["nsenter", f"--net=/proc/{pid}/ns/net", "python3", "-c", PROBE, url, str(probe.get("timeoutSeconds", 1))]
        done = subprocess.run(line, capture_output=True, text=True)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def neighbour(self, name, image, *args, options=()):
        """Another container in the pod's network, for a service that the pod's configuration names."""
        self.neighbours.append(f"{self.name}-{name}")
        self.engine.podman("run", "--detach", "--name", self.neighbours[-1], f"--network=container:{self.name}", *options, image, *args)

    def started(self):
        """Ask the startup probe as often as it says."""
        probe = self.container["startupProbe"]
        for _ in range(probe["failureThreshold"]):
            if self.probe("startupProbe")[0]:
                return True
            time.sleep(probe["periodSeconds"])
        return False

    def logs(self):
        """What it said."""
        done = self.engine.podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def stop(self):
        """End it as a kubelet does; its exit code."""
        self.engine.podman("stop", "--time", self.spec["terminationGracePeriodSeconds"], self.name)
        return int(self.engine.podman("inspect", "--format={{.State.ExitCode}}", self.name).stdout)

    def remove(self):
        """Forget the containers."""
        for name in (*self.neighbours, self.name):
            self.engine.podman("rm", "--force", "--time", "0", "--volumes", name, check=False)


def secret(**files):
    """A Secret's content; keys are names of files, with _ for a dot."""
    return {name.replace("_", "."): content if isinstance(content, bytes) else content.encode() for name, content in files.items()}


def random_hex():
    """64 hex digits."""
    return base64.b16encode(os.urandom(32)).decode().lower()
