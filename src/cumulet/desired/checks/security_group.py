"""Whether a security group of a node's memory makes sense."""

from __future__ import annotations

from cumulet.desired import texts
from cumulet.desired.checks import fields
from cumulet.desired.security_group import Rule, SecurityGroup


def check(spec: SecurityGroup) -> None:
    """A security group with its rules."""
    texts.uuid(spec.id)
    for rule in spec.rules:
        _rule(rule)
    if spec.record is not None:
        fields.owner(spec.record.owner)
        fields.named(spec.record.name, spec.record.description)


def _rule(rule: Rule) -> None:
    texts.uuid(rule.id)
    fields.named(rule.description)
    if rule.protocol is not None:
        texts.protocol(rule.protocol)
    for port in (rule.port_range_min, rule.port_range_max):
        if port is not None:
            texts.whole(port, 0, 65_535)
    if rule.remote_ip_prefix is not None and texts.network(rule.remote_ip_prefix).version != int(rule.ethertype[-1]):
        raise ValueError(f"{texts.shown(rule.remote_ip_prefix)} is not {rule.ethertype}")
    if rule.remote_group_id is not None:
        texts.uuid(rule.remote_group_id)
