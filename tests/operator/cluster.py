"""A Kubernetes API server with etcd, and kubectl: objects are stored, nothing runs.

The programs are looked for in ``WADM_KUBE_BIN``, else they are unpacked from ``bin/kube`` of the shared directory.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

START_TIMEOUT = 60.0
OPERATOR_NAMESPACE = "wadm-operator"

_ACCOUNTS = ("system:serviceaccounts", f"system:serviceaccounts:{OPERATOR_NAMESPACE}", "system:authenticated")
_TOKENS = {
    "admin": ("admin-token", "admin", ("system:masters",)),
    "operator": ("operator-token", f"system:serviceaccount:{OPERATOR_NAMESPACE}:wadm-operator", _ACCOUNTS),
    "powerless": ("powerless-token", "powerless", ("system:authenticated",)),
    "narrow": ("narrow-token", f"system:serviceaccount:{OPERATOR_NAMESPACE}:narrow", _ACCOUNTS),
}


@functools.cache
def _unpacked() -> Path | None:
    if given := os.environ.get("WADM_KUBE_BIN"):
        return Path(given)
    shared = Path(os.environ.get("WADM_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    unpack = shared / "bin" / "unpack"
    if not (unpack.exists() and (shared / "bin" / "kube").is_dir()):
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir()
    target = Path(cache) / f"wadm-kube-programs-{os.getuid()}"
    subprocess.run([str(unpack), str(target), "kube"], check=True, timeout=300)
    return target


def need_programs() -> Path:
    """Return the directory with the programs, or skip the test."""
    directory = _unpacked()
    if directory is None or not all((directory / name).exists() for name in ("etcd", "kube-apiserver", "kubectl")):
        pytest.skip("needs etcd, kube-apiserver and kubectl (set WADM_KUBE_BIN)")
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make a key for the API server")
    return directory


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    """etcd and an API server on free ports. ``directory`` is for their data and logs."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self.directory = directory
        self._etcd_port, self._etcd_peer, self.port = free_port(), free_port(), free_port()
        self._etcd: subprocess.Popen[bytes] | None = None
        self._api: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> Cluster:
        self.directory.mkdir(parents=True, exist_ok=True)
        key = self.directory / "account.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        lines = [f'{token},{user},{user},"{",".join(groups)}"' for token, user, groups in _TOKENS.values()]
        (self.directory / "tokens.csv").write_text("\n".join(lines) + "\n")
        for user, (token, _, _) in _TOKENS.items():
            self._write_kubeconfig(user, token)
        self._etcd = self._run(
            "etcd",
            "--data-dir", str(self.directory / "etcd"),
            "--listen-client-urls", f"http://127.0.0.1:{self._etcd_port}",
            "--advertise-client-urls", f"http://127.0.0.1:{self._etcd_port}",
            "--listen-peer-urls", f"http://127.0.0.1:{self._etcd_peer}",
            "--unsafe-no-fsync",
        )  # fmt: skip
        self.start_api()
        return self

    def start_api(self) -> None:
        self._api = self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--service-cluster-ip-range=10.0.0.0/16",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'certificates'}",
            f"--service-account-key-file={self.directory / 'account.key'}",
            f"--service-account-signing-key-file={self.directory / 'account.key'}",
            "--service-account-issuer=https://localhost",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--enable-priority-and-fairness=false",
        )
        self._wait_until_ready()

    def stop_api(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self._api is not None
        self._api.send_signal(how)
        self._api.wait(START_TIMEOUT)
        self._api = None

    @property
    def running(self) -> bool:
        return self._api is not None and self._api.poll() is None

    def stop(self) -> None:
        for process in (self._api, self._etcd):
            if process is not None:
                process.kill()
                process.wait(START_TIMEOUT)

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.directory / f"{user}.kubeconfig"

    # -- kubectl -----------------------------------------------------------------------------

    def command(self, *arguments: str, user: str = "admin") -> list[str]:
        return [
            str(self._programs / "kubectl"),
            f"--kubeconfig={self.kubeconfig(user)}",
            f"--cache-dir={self.directory / 'cache'}",
            *arguments,
        ]

    def kubectl(
        self, *arguments: str, stdin: Any = None, user: str = "admin", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; ``stdin`` may be text, an object, or a list of objects."""
        if stdin is not None and not isinstance(stdin, str):
            stdin = yaml.safe_dump_all(stdin if isinstance(stdin, list) else [stdin])
        done = subprocess.run(
            self.command(*arguments, user=user), input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """Return an object, ``None`` where there is none."""
        done = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(done.stdout) if done.stdout else None

    def list(self, kind: str, *arguments: str) -> list[Any]:
        items: list[Any] = json.loads(self.kubectl("get", kind, "-o", "json", *arguments).stdout)["items"]
        return items

    def apply(self, *objects: Any) -> None:
        """Apply objects server-side, as an administrator."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=[*objects])

    def set_status(self, kind: str, name: str, status: Any, namespace: str = "default") -> None:
        """Write an object's status, as a controller of Kubernetes or a kubelet would."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)

    # -- inside ------------------------------------------------------------------------------

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{program}.log").open("ab") as log:
            return subprocess.Popen([str(self._programs / program), *arguments], stdout=log, stderr=log)

    def _write_kubeconfig(self, user: str, token: str) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        self.kubeconfig(user).write_text(yaml.safe_dump(config))

    def _wait_until_ready(self) -> None:
        context = ssl._create_unverified_context()
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": "Bearer admin-token"})
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5, context=context):
                    return
            except (urllib.error.URLError, OSError):
                assert self._api is not None
                if self._api.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "kube-apiserver.log").read_text()[-3000:]
                    raise AssertionError(f"the API server did not start:\n{log}") from None
            time.sleep(0.05)
