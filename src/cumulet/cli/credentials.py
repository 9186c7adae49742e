"""The files that a user of the cloud takes credentials from: ``admin-openrc``, ``demo-openrc``,
``clouds.yaml``.

They are written 0600 at every `up` from the settings and the secrets; a password is never printed.
"""

from __future__ import annotations

import json
import shlex

from cumulet import files
from cumulet.cli import trust
from cumulet.config import Settings

# User and project have one name; the cloud's name in clouds.yaml.
CLOUDS = {"cumulet-admin": "admin", "cumulet": "demo"}
ALTERNATE = {"cumulet-alt": "alt_demo"}
"""In a simulated cloud: another user with a project of his own, for tests of who sees what."""
SYSTEM = "cumulet-system"
"""The cloud in clouds.yaml in which the admin's token is for the system, not for a project."""


def openrc(settings: Settings, user: str) -> str:
    """A file to source in a shell, as the guides have it."""
    values = {
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_NAME": user,
        "OS_USERNAME": user,
        "OS_PASSWORD": settings.secret(f"{user}_password"),
        "OS_AUTH_URL": settings.auth_url,
        "OS_REGION_NAME": settings.region,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_IMAGE_API_VERSION": "2",
    }
    if (authority := trust.authority(settings)) is not None:
        values["OS_CACERT"] = str(authority)
    return "unset OS_CLOUD OS_CACERT\n" + "".join(
        f"export {name}={shlex.quote(text)}\n" for name, text in values.items()
    )


def clouds_yaml(settings: Settings) -> str:
    """For ``--os-cloud``. Written as JSON strings, which are YAML too."""
    lines = ["clouds:"]
    authority = trust.authority(settings)
    alternate = {} if settings.simulated is None else ALTERNATE
    for cloud, user in (*CLOUDS.items(), *alternate.items(), (SYSTEM, "admin")):
        project = {"project_name": user, "project_domain_name": "Default"}
        auth = {
            "auth_url": settings.auth_url,
            "username": user,
            "password": settings.secret(f"{user}_password"),
            "user_domain_name": "Default",
            **({"system_scope": "all"} if cloud == SYSTEM else project),
        }
        lines += [f"  {cloud}:", "    auth:"]
        lines += [f"      {name}: {json.dumps(text)}" for name, text in auth.items()]
        if authority is not None:
            lines.append(f"    cacert: {json.dumps(str(authority))}")
        lines += [f"    region_name: {json.dumps(settings.region)}", "    identity_api_version: 3"]
    return "\n".join(lines) + "\n"


def write(settings: Settings) -> None:
    """Write all three into the state folder."""
    for user in CLOUDS.values():
        files.put_unless_so(settings.state / f"{user}-openrc", openrc(settings, user))
    files.put_unless_so(settings.state / "clouds.yaml", clouds_yaml(settings))
