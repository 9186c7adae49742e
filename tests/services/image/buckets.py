"""A server that speaks S3, in this process."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from cumulet.services.image.model.stores.s3 import S3Access, S3Store


@contextmanager
def bucket() -> Iterator[S3Store]:
    """A store on a new bucket of a server of its own. All servers of a process share their buckets."""
    name = f"images-{uuid.uuid4().hex}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        access = S3Access(f"http://127.0.0.1:{port}", name, "access-key", "secret-key", prefix="cumulet/")
        store = S3Store("s3", access)
        store.client.create_bucket(Bucket=name)
        yield store
    finally:
        server.stop()


def objects(store: S3Store) -> list[str]:
    """Keys of the bucket's objects and of its unfinished uploads."""
    name = store.access.bucket
    whole = [found["Key"] for found in store.client.list_objects_v2(Bucket=name).get("Contents", [])]
    begun = [found["Key"] for found in store.client.list_multipart_uploads(Bucket=name).get("Uploads", [])]
    return sorted(whole) + sorted(begun)
