"""What a load balancer sees of a proxy: /readyz, /healthz, and the command that asks for them."""

import ssl
import subprocess
import urllib.error
import urllib.request

from desk import until


class Ready:
    """What a load balancer sees."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.url = proxy.config.read_text().partition('public_url = "')[2].partition('"')[0]
        self.trust = ssl.create_default_context(cafile=str(proxy.ca_file))

    def words(self, path="/readyz"):
        """The answer's text; its status has to be the one that the text means."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20, context=self.trust) as answer:
                said = answer.read().decode().strip()
                assert answer.status == 200 and said in ("ready", "ok"), said
        except urllib.error.HTTPError as error:
            said = error.read().decode().strip()
            assert error.code == 503 and said.startswith("not "), f"{error.code} {said}"
        return said

    def becomes(self, wanted, patience=60.0):
        """Wait for that answer."""
        until(lambda: self.words() == wanted, f"answer {wanted!r}, but {self.words()!r}", patience)

    def command(self):
        """`affidavit health --ready`."""
        line = [self.proxy.bin / "affidavit", "health", "--ready", "--url", self.url, "--ca", self.proxy.ca_file]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)
