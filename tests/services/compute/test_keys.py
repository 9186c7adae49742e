"""Public keys as clients' libraries write them: with or without a comment, with any end of line."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.http.faults import BadRequest
from cumulet.services.compute.model import key_material
from cumulet.services.network.model import dhcp
from cumulet.services.network.model.networks import by_id as found_network
from tests.services.compute.books import ask
from tests.services.compute.conftest import NETWORK, Nova, message


def line(public: Any) -> str:
    return str(public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode())


RSA = line(rsa.generate_private_key(65537, 2048).public_key())
LINES = [
    RSA,
    line(ed25519.Ed25519PrivateKey.generate().public_key()),
    line(ec.generate_private_key(ec.SECP256R1()).public_key()),
]
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Beside other tests a processor is not always there when it is looked for."""
ENDS = ["", "\n", "\r\n", "\n\n", " \n", "\t\r\n", " "]


@PATIENT
@given(
    st.sampled_from(LINES),
    st.sampled_from([" ", "  ", "\t", " \t "]),
    st.sampled_from(["", " me@host", "  two words", "\tme", " Zoë", " #1"]),
    st.sampled_from(ENDS),
    st.sampled_from(["", *LINES]),
)
def test_a_key_is_taken_as_it_was_given(key: str, space: str, comment: str, end: str, second: str) -> None:
    """`ssh-keygen` writes a comment and a line end, Go's `MarshalAuthorizedKey` a line end alone, Windows two."""
    text = key.replace(" ", space) + comment + end + (second if "\n" in end else "")
    made = key_material.imported("ssh", text)
    digest = hashlib.md5(base64.b64decode(key.split(" ")[1]), usedforsecurity=False).hexdigest()
    assert (made.public_key, made.fingerprint.replace(":", "")) == (text, digest)


@PATIENT
@given(
    st.sampled_from(LINES),
    st.sampled_from(ENDS),
    st.sampled_from(["", " ", "\n", "no-pty ", "-", "ssh-rsa "]),
    st.booleans(),
)
def test_what_is_no_key_is_refused(key: str, end: str, before: str, broken: bool) -> None:
    kind, blob = key.split(" ")
    text = f"{before}{kind} {blob[:-9]}{end}" if broken or not before else f"{before}{key}{end}"
    with pytest.raises(BadRequest, match="Keypair data is invalid: failed to generate fingerprint"):
        key_material.imported("ssh", text)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "subject=CN = me\n", "\n"])
@pytest.mark.parametrize("last", ["", "\n\n"])
def test_certificates(end: str, before: str, last: str) -> None:
    pem = key_material.generated("x509", "me").public_key.strip()
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    expected = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    text = (before + pem + last).replace("\n", end)
    made = key_material.imported("x509", text)
    assert (made.public_key, made.fingerprint.replace(":", "")) == (text, expected)


@pytest.mark.parametrize("end", ENDS)
def test_a_guest_gets_a_plain_line(nova: Nova, demo: httpx.Client, end: str) -> None:
    body = {"keypair": {"name": "terraform", "public_key": RSA + end}}
    answer = demo.post("/v2.1/os-keypairs", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["keypair"]["public_key"] == RSA + end
    assert demo.get("/v2.1/os-keypairs/terraform").json()["keypair"]["public_key"] == RSA + end
    with nova.db.transaction() as tx:
        dhcp.serve(tx, found_network(tx, NETWORK))
    server_id = nova.active(demo, key_name="terraform", config_drive=True)
    plain = RSA + end.replace("\r\n", "\n")
    assert ask(nova, server_id, "/latest/meta-data/public-keys/0/openssh-key").decode() == plain
    drive = nova.node.guests[server_id].config_drive
    assert drive is not None
    for text in (drive["openstack/latest/meta_data.json"], ask(nova, server_id, "/openstack/latest/meta_data.json")):
        told = msgspec.json.decode(text)
        assert told["public_keys"] == {"terraform": plain} and told["keys"][0]["data"] == plain
    assert msgspec.json.decode(drive["ec2/latest/meta-data.json"])["public-keys"]["0"]["openssh-key"] == plain


def test_no_key_is_not_an_empty_key(nova: Nova) -> None:
    """`public_key` is there or not: an empty one makes no pair (nova/api/openstack/compute/keypairs.py: `_create`)."""
    with nova.client("demo", "2.91") as before:
        answer = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "none", "public_key": ""}})
        assert (answer.status_code, message(answer)[:23]) == (400, "Keypair data is invalid")
        answer = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "none", "public_key": None}})
        assert answer.status_code == 400
        bad = {"keypair": {"name": "none", "public_key": "x", "type": "x509"}}
        answer = before.post("/v2.1/os-keypairs", json=bad)
        assert "failed to generate X509 fingerprint. Error message: " in message(answer)
