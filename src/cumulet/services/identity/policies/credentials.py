"""Rules of credentials, of EC2 credentials, and of who may have a signature checked.

A credential is its owner's: of the others only administrators and readers of the system may look at it.
"""

from __future__ import annotations

from cumulet.auth import Rule

_ADMIN = "rule:admin_required"
_SYSTEM = "(role:reader and system_scope:all)"
_OWNER = "user_id:%(target.credential.user_id)s"
_PROJECT = ("system", "project")

RULES = [
    Rule("identity:get_credential", f"{_ADMIN} or {_SYSTEM} or {_OWNER}", "Show a credential."),
    Rule("identity:list_credentials", f"{_ADMIN} or {_SYSTEM} or {_OWNER}", "List credentials."),
    Rule("identity:create_credential", f"{_ADMIN} or {_OWNER}", "Create a credential."),
    Rule("identity:update_credential", f"{_ADMIN} or {_OWNER}", "Update a credential."),
    Rule("identity:delete_credential", f"{_ADMIN} or {_OWNER}", "Delete a credential."),
    Rule("identity:ec2_get_credential", f"{_ADMIN} or {_SYSTEM} or {_OWNER}", "Show an EC2 credential.", _PROJECT),
    Rule(
        "identity:ec2_list_credentials",
        f"{_ADMIN} or {_SYSTEM} or user_id:%(user_id)s",
        "List the EC2 credentials of a user.",
        _PROJECT,
    ),
    Rule(
        "identity:ec2_create_credential",
        f"{_ADMIN} or (role:member and {_OWNER})",
        "Create an EC2 credential.",
        _PROJECT,
    ),
    Rule(
        "identity:ec2_delete_credential",
        f"{_ADMIN} or (role:member and {_OWNER})",
        "Delete an EC2 credential.",
        _PROJECT,
    ),
    Rule("identity:ec2tokens_validate", f"{_ADMIN} or role:service", "Have an EC2 signature checked for a token."),
    Rule("identity:s3tokens_validate", f"{_ADMIN} or role:service", "Have an S3 signature checked for a token."),
]
