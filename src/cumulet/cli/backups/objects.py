"""Where images lie beside a backup: objects named by their SHA-256, in a folder or in a bucket, each once.

An object is never changed, so backups share them, and one more backup writes only what is new. What is written is read
back before a backup counts on it. They are not sealed: whoever reads the folder reads the images.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cumulet.cli.errors import CliError

PIECE = 1 << 20


class Objects(Protocol):
    """A place for objects. `name`: as it is given on the command line."""

    name: str

    def put(self, sha256: str, fd: int) -> int:
        """Keep the open file, unless its bytes are there; how many bytes were written. Raises CliError."""

    def get(self, sha256: str, size: int) -> Iterator[bytes]:
        """The bytes of an object, whole. Raises CliError, at the end too, when they are others."""

    def has(self, sha256: str, size: int) -> bool:
        """Whether an object of that size is there. Raises CliError when that cannot be told."""


def objects_at(place: str) -> Objects:
    """``s3://bucket/prefix``, or a folder."""
    return Bucket(place) if place.startswith("s3://") else Folder(Path(place).expanduser().absolute())


class Folder:
    """``FOLDER/ab/abcd…``; 0700, files 0600."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        try:
            found = self._path(sha256).stat()
            return stat.S_ISREG(found.st_mode) and found.st_size == size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CliError(f"cannot look into {self.folder}: {error.strerror}") from None

    def put(self, sha256: str, fd: int) -> int:
        size, path = os.fstat(fd).st_size, self._path(sha256)
        if self.has(sha256, size):
            return 0
        draft = path.with_name(f".{sha256}.{os.getpid()}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            out = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(out, "w+b") as file:
                while data := os.read(fd, PIECE):
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    raise CliError(f"{path} does not read back as it was written: is the disk of {self.folder} well?")
            draft.replace(path)
        except OSError as error:
            raise CliError(f"cannot write into {self.folder}: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)
        return size

    def get(self, sha256: str, size: int) -> Iterator[bytes]:
        try:
            with self._path(sha256).open("rb") as file:
                yield from checked(iter(lambda: file.read(PIECE), b""), sha256, self.name)
        except OSError as error:
            raise CliError(f"cannot read {self._path(sha256)}: {error.strerror}") from None


class Bucket:
    """``s3://bucket/prefix``. Keys and the endpoint are boto3's own: ``~/.aws``, ``AWS_PROFILE``,
    ``AWS_ENDPOINT_URL_S3`` and so on."""

    def __init__(self, place: str) -> None:
        self.name = place.rstrip("/")
        self.bucket, _, self.prefix = self.name.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise CliError(f"{place} names no bucket; write s3://BUCKET/PREFIX")
        self._client: Any = None

    @property
    def client(self) -> Any:
        if self._client is None:
            try:
                import boto3  # imported here: only a backup into a bucket needs it

                self._client = boto3.client("s3")
            except ModuleNotFoundError:
                raise CliError(f"{self.name} needs boto3: pip install 'cumulet[s3]'") from None
            except Exception as error:
                raise CliError(f"cannot use {self.name}: {error}") from None
        return self._client

    def _key(self, sha256: str) -> str:
        return "/".join(part for part in (self.prefix, sha256[:2], sha256) if part)

    def has(self, sha256: str, size: int) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return bool(self.client.head_object(Bucket=self.bucket, Key=self._key(sha256))["ContentLength"] == size)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return False
            raise CliError(f"cannot look into {self.name}: {error}") from None
        except BotoCoreError as error:
            raise CliError(f"cannot look into {self.name}: {error}") from None

    def put(self, sha256: str, fd: int) -> int:
        size = os.fstat(fd).st_size
        if self.has(sha256, size):
            return 0
        try:
            with os.fdopen(os.dup(fd), "rb") as file:
                extra = {"ChecksumAlgorithm": "SHA256"}  # the bucket itself compares what came
                self.client.upload_fileobj(file, self.bucket, self._key(sha256), ExtraArgs=extra)
        except Exception as error:
            raise CliError(f"cannot write into {self.name}: {error}") from None
        for _ in self.get(sha256, size):
            pass
        return size

    def get(self, sha256: str, size: int) -> Iterator[bytes]:
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=self._key(sha256))["Body"]
            yield from checked(body.iter_chunks(PIECE), sha256, self.name)
        except CliError:
            raise
        except Exception as error:
            raise CliError(f"cannot read image {sha256[:12]} from {self.name}: {error}") from None


def checked(stream: Iterator[bytes], sha256: str, name: str) -> Iterator[bytes]:
    """The stream, refused at its end when it has another hash."""
    sum_ = hashlib.sha256()
    for data in stream:
        sum_.update(data)
        yield data
    if sum_.hexdigest() != sha256:
        raise CliError(f"the image {sha256[:12]} in {name} is damaged")
