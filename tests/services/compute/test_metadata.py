"""What a guest may know of itself: who may ask, both trees, and the same on a config drive."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from cumulet.auth import Policy
from cumulet.desired.questions import MetadataQuestion
from cumulet.http.mount import Mount
from cumulet.services.compute import door
from cumulet.services.compute.metadata import api as metadata_service
from cumulet.services.network.model import dhcp
from cumulet.services.network.model.networks import by_id as found_network
from tests.services.compute.books import ask
from tests.services.compute.conftest import NETWORK, SUBNET, Nova, new_id, show
from tests.services.serving import Running, running

SCRIPT = b"#!/bin/sh\necho '<\"&\\u00e9\xc3\xa9'\n"


@pytest.fixture
def guest(nova: Nova, demo: httpx.Client) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    public = ed25519.Ed25519PrivateKey.generate().public_key()
    text = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    with nova.db.transaction() as tx:
        dhcp.serve(tx, found_network(tx, NETWORK))
    body = {"keypair": {"name": "mine", "public_key": text}}
    assert demo.post("/v2.1/os-keypairs", json=body).status_code == 201
    user_data = base64.b64encode(SCRIPT).decode()
    return nova.active(demo, "Web 1", key_name="mine", user_data=user_data, metadata={"a": "b"}, config_drive=True)


def test_ec2_tree(nova: Nova, guest: str) -> None:
    assert ask(nova, guest, "/").split(b"\n")[-2:] == [b"2009-04-04", b"latest"]
    assert ask(nova, guest, "/latest") == b"meta-data/\nuser-data"
    names = ask(nova, guest, "/latest/meta-data/").decode().split("\n")
    assert names == sorted(names)
    assert {"ami-id", "block-device-mapping/", "hostname", "instance-id", "placement/", "public-keys/"} <= set(names)
    assert ask(nova, guest, "/latest/user-data") == SCRIPT
    assert ask(nova, guest, "/1.0/meta-data/instance-id") == b"i-00000001"
    assert ask(nova, guest, "/latest/meta-data/hostname") == b"web-1.novalocal"
    assert ask(nova, guest, "/latest/meta-data/local-ipv4").startswith(b"10.1.")
    assert ask(nova, guest, "/latest/meta-data/public-keys/") == b"0=mine"
    assert ask(nova, guest, "/latest/meta-data/public-keys/0/openssh-key").startswith(b"ssh-ed25519 ")
    assert ask(nova, guest, "/2009-04-04/meta-data/placement/availability-zone") == b"nova"
    assert ask(nova, guest, "/latest/meta-data/instance-type") == b"m1.tiny"
    assert ask(nova, guest, "/latest/meta-data/security-groups") == b"default"
    assert ask(nova, guest, "/latest/meta-data/block-device-mapping/root") == b"/dev/vda"


def test_openstack_tree(nova: Nova, guest: str) -> None:
    assert ask(nova, guest, "/openstack").split(b"\n")[0] == b"2012-08-10"
    assert b"network_data.json" in ask(nova, guest, "/openstack/latest")
    body = msgspec.json.decode(ask(nova, guest, "/openstack/latest/meta_data.json"))
    assert (body["uuid"], body["name"], body["hostname"]) == (guest, "Web 1", "web-1.novalocal")
    assert body["meta"] == {"a": "b"} and body["keys"][0]["type"] == "ssh"
    assert body["public_keys"]["mine"] == body["keys"][0]["data"]
    assert body["devices"] == body["dedicated_cpus"] == [] and body["launch_index"] == 0
    assert len(base64.b64decode(body["random_seed"])) == 512
    old = msgspec.json.decode(ask(nova, guest, "/openstack/2012-08-10/meta_data.json"))
    assert "random_seed" not in old and "project_id" not in old
    assert ask(nova, guest, "/openstack/latest/user_data") == SCRIPT
    network = msgspec.json.decode(ask(nova, guest, "/openstack/latest/network_data.json"))
    assert network["links"][0]["id"] == f"tap{network['links'][0]['vif_id'][:11]}"
    assert network["networks"][0]["type"] == "ipv4_dhcp"
    assert network["services"] == [{"type": "dns", "address": "10.9.9.9"}]


@pytest.mark.parametrize("path", ["/nope", "/latest/nope", "/latest/meta-data/nope", "/latest/meta-data/_name"])
def test_unknown_paths(nova: Nova, guest: str, path: str) -> None:
    with pytest.raises(Exception, match="could not be found"):
        ask(nova, guest, path)


def test_config_drive(nova: Nova, guest: str) -> None:
    files = nova.node.guests[guest].config_drive
    assert files is not None
    assert msgspec.json.decode(files["openstack/latest/meta_data.json"]) == msgspec.json.decode(
        ask(nova, guest, "/openstack/latest/meta_data.json")
    )
    assert files["openstack/latest/user_data"] == SCRIPT.decode()
    assert {"openstack/latest/network_data.json", "ec2/latest/meta-data.json"} <= set(files)


def test_binary_user_data_survives_the_drive(nova: Nova, demo: httpx.Client) -> None:
    raw = b"\x1f\x8b\x00\xff"
    server_id = nova.active(demo, user_data=base64.b64encode(raw).decode(), config_drive=True)
    files = nova.node.guests[server_id].config_drive
    assert files is not None
    assert files["openstack/latest/user_data"] == "base64:" + base64.b64encode(raw).decode()


def test_an_address_of_nobody(nova: Nova, guest: str) -> None:
    question = MetadataQuestion(method="GET", path="/", address="10.1.200.200", network_id=NETWORK)
    elsewhere = MetadataQuestion(method="GET", path="/", address="10.1.0.2", network_id=new_id())
    for asked in (question, elsewhere):
        with nova.db.read() as tx, pytest.raises(Exception, match="could not be found"):
            door.metadata(nova.context)(tx, nova.node.link_id, asked)


@pytest.fixture
def proxied(nova: Nova) -> Iterator[Running]:
    """The service of port 8775 on the same database."""
    service = metadata_service.load()
    assert Mount(service, nova.context, Policy([]))
    with running(service, nova.context, nova.db.where) as served:
        yield served


def test_an_agent_that_signs(nova: Nova, proxied: Running, guest: str) -> None:
    signature = hmac.new(b"shared", guest.encode(), hashlib.sha256).hexdigest()
    project = "d" * 32
    good = {"X-Instance-ID": guest, "X-Tenant-ID": project, "X-Instance-ID-Signature": signature}
    with proxied.client("") as client:
        answer = client.get("/latest/meta-data/instance-id", headers=good)
        assert (answer.status_code, answer.text) == (200, "i-00000001")
        assert client.get("/openstack/latest/meta_data.json", headers=good).json()["uuid"] == guest
        assert client.get("/latest/meta-data/", headers={}).status_code == 400
        assert client.get("/", headers={**good, "X-Instance-ID-Signature": "0" * 64}).status_code == 403
        assert client.get("/", headers={**good, "X-Tenant-ID": "0" * 32}).status_code == 404
        assert client.get("/", headers={"X-Instance-ID": guest}).status_code == 400


def test_a_node_with_its_credentials(nova: Nova, proxied: Running, demo: httpx.Client, guest: str) -> None:
    address = show(demo, guest)["addresses"]["private"][0]["addr"]
    link = {"X-Cumulet-Link": nova.node.link_id, "X-Cumulet-Secret": nova.node.secret}
    origin = {"X-Forwarded-For": address, "X-Neutron-Network-ID": NETWORK}
    with proxied.client("") as client:
        assert client.get("/latest/meta-data/instance-id", headers={**link, **origin}).text == "i-00000001"
        wrong = {**link, "X-Cumulet-Secret": "guessed"}
        assert client.get("/latest/meta-data/instance-id", headers={**wrong, **origin}).status_code == 403
        assert client.get("/latest/meta-data/instance-id", headers=origin).status_code == 400


def test_static_networks_are_written_out(nova: Nova, demo: httpx.Client) -> None:
    from cumulet.services.network.tables import subnets

    with nova.db.transaction() as tx:
        tx.update(subnets, subnets.c.id == SUBNET, enable_dhcp=False)
    server_id = nova.active(demo, config_drive=True)
    files = nova.node.guests[server_id].config_drive
    assert files is not None
    (found,) = msgspec.json.decode(files["openstack/latest/network_data.json"])["networks"]
    assert (found["type"], found["netmask"]) == ("ipv4", "255.255.0.0")
    assert found["routes"][0] == {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.1.0.1"}
