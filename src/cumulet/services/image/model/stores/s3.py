"""Images as objects of a bucket of any store that speaks S3.

An object is uploaded in parts and is there only when all have come; its key bears the image's and the upload's id, so
that what one upload wrote is never another's. Its URL is the key below the prefix: bucket and endpoint may move.
Whoever dies on the way leaves an unfinished upload, which `erase` finds by its key.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cumulet.services.image.model.stores.contract import (
    BytesMissing,
    ImageStore,
    Reading,
    StoreAway,
    StoreFault,
    StoreFull,
    Writing,
)

PART = 16 << 20
"""Bytes of a part at first; S3 takes 10,000 parts at most, so they grow with the object."""
_GROWS_AFTER = 1000
_OURS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9a-f]{32}")
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "404", "NotFound"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge", "InsufficientStorage"})


@dataclass(frozen=True)
class S3Access:
    """How to reach the bucket. The keys are never shown nor logged."""

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    prefix: str = ""


class S3Store(ImageStore):
    """A bucket."""

    kind = "s3"

    def __init__(self, id: str, access: S3Access, *, description: str = "", weight: int = 0) -> None:
        super().__init__(id, description=description, weight=weight)
        self.access = access
        self._known: Any = None

    @property
    def client(self) -> Any:
        """The client, made at the first use: its library takes long to load."""
        if self._known is None:
            import boto3
            from botocore.config import Config

            self._known = boto3.session.Session().client(
                "s3",
                endpoint_url=self.access.endpoint,
                aws_access_key_id=self.access.access_key,
                aws_secret_access_key=self.access.secret_key,
                region_name=self.access.region,
                config=Config(
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"max_attempts": 3, "mode": "standard"},
                    max_pool_connections=20,
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        return self._known

    def create(self, image_id: str, upload_id: str) -> Writing:
        return _S3Writing(self, f"{image_id}.{upload_id}")

    def owns(self, url: str) -> bool:
        return _OURS.fullmatch(url) is not None

    def key(self, url: str) -> str:
        """The key of an object of ours. Raises BytesMissing."""
        if not self.owns(url):
            raise BytesMissing("The URL names no object of this store.")
        return self.access.prefix + url

    def open(self, url: str) -> Reading:
        return _S3Reading(self, self.key(url))

    def erase(self, url: str) -> None:
        key = self.key(url)
        with asking(self):
            found = self.client.list_multipart_uploads(Bucket=self.access.bucket, Prefix=key)
            for upload in found.get("Uploads", []):
                if upload["Key"] == key:
                    self.abort(key, upload["UploadId"])
            self.client.delete_object(Bucket=self.access.bucket, Key=key)

    def abort(self, key: str, upload: str) -> None:
        """End an unfinished upload; nothing when it is over already."""
        try:
            with asking(self):
                self.client.abort_multipart_upload(Bucket=self.access.bucket, Key=key, UploadId=upload)
        except BytesMissing:
            return

    def properties(self) -> Mapping[str, Any]:
        return {
            "s3_store_large_object_size": PART >> 20,
            "s3_store_large_object_chunk_size": PART >> 20,
            "s3_store_thread_pools": 1,
        }


@contextmanager
def asking(store: S3Store) -> Iterator[None]:
    """A conversation with the bucket: its errors become the contract's, and none of them shows a key."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise BytesMissing(f"The bucket answered {code}.") from None
        if code in _FULL:
            raise StoreFull(f"The bucket answered {code}.") from None
        raise StoreAway(f"The bucket answered {code or 'with an error'}.") from None
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreAway(f"The bucket of store {store.id} does not answer ({type(error).__name__}).") from None


class _S3Writing(Writing):
    def __init__(self, store: S3Store, url: str) -> None:
        self._store, self._key = store, store.key(url)
        self.url = url
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._waiting = bytearray()
        self._begun = False

    def write(self, block: bytes | bytearray) -> None:
        self._waiting += block
        if len(self._waiting) >= PART * (1 + len(self._parts) // _GROWS_AFTER):
            self._send()

    def _send(self) -> None:
        where = {"Bucket": self._store.access.bucket, "Key": self._key}
        self._begun = True
        with asking(self._store):
            if self._upload is None:
                self._upload = self._store.client.create_multipart_upload(**where)["UploadId"]
            number = len(self._parts) + 1
            sent = self._store.client.upload_part(
                **where, UploadId=self._upload, PartNumber=number, Body=bytes(self._waiting)
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._waiting = bytearray()

    def finish(self) -> None:
        where = {"Bucket": self._store.access.bucket, "Key": self._key}
        if self._upload is None:
            self._begun = True
            with asking(self._store):
                self._store.client.put_object(**where, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send()
        with asking(self._store):
            self._store.client.complete_multipart_upload(
                **where, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
        self._upload = None

    def discard(self) -> None:
        self._waiting = bytearray()
        if not self._begun:
            return
        if self._upload is not None:
            self._store.abort(self._key, self._upload)
        with asking(self._store):
            self._store.client.delete_object(Bucket=self._store.access.bucket, Key=self._key)
        self._begun, self._upload = False, None

    def close(self) -> None:
        self._waiting = bytearray()


class _S3Reading(Reading):
    """An object that is read on and on by one request; another place is asked for anew, and so is the rest when the
    connection breaks, as it does when a slow client leaves it idle."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._key = store, key
        self._lock = threading.Lock()
        self._body: Any = None
        self._at = 0
        with asking(store):
            found = store.client.head_object(Bucket=store.access.bucket, Key=key)
        self.size: int = int(found["ContentLength"])
        self._version = found["ETag"]

    def read(self, count: int, at: int) -> bytes:
        count = min(count, self.size - at)
        if count <= 0:
            return b""
        with self._lock:
            going_on = self._body is not None and self._at == at
            try:
                return self._piece(count, at)
            except StoreAway:
                if not going_on:
                    raise
            return self._piece(count, at)

    def _piece(self, count: int, at: int) -> bytes:
        """The next bytes, fewer than `count` only when the connection gives no more. Raises StoreFault."""
        if self._body is None or self._at != at:
            self._drop()
            self._body = self._ask(at)
            self._at = at
        try:
            with asking(self._store):
                piece: bytes = self._body.read(count)
            if not piece:
                raise StoreAway("The bucket gave fewer bytes than were asked for.")
        except StoreFault:
            self._drop()
            raise
        self._at += len(piece)
        return piece

    def _ask(self, at: int) -> Any:
        with asking(self._store):
            found = self._store.client.get_object(
                Bucket=self._store.access.bucket, Key=self._key, Range=f"bytes={at}-", IfMatch=self._version
            )
        return found["Body"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        with self._lock:
            self._drop()
