"""The command line, with the stand-ins of fake_cloud.py for the controller and the node and all else real.

As root it takes the current user for the controller's, unless CUMULET_TEST_USER is set: then the system user.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import sys
from pathlib import Path

from cumulet.cli import machine, up
from cumulet.cli.main import main
from cumulet.cli.processes import ChildSpec
from cumulet.config import Settings

FAKE = str(Path(__file__).with_name("fake_cloud.py"))
real_specs = up.child_specs


def fake_specs(settings: Settings, user: pwd.struct_passwd | None) -> list[ChildSpec]:
    return [
        dataclasses.replace(spec, argv=[spec.argv[0], FAKE, spec.name, str(settings.state)])
        for spec in real_specs(settings, user if "CUMULET_TEST_USER" in os.environ else None)
    ]


up.child_specs = fake_specs
if "CUMULET_TEST_USER" not in os.environ:
    machine.ensure_user = lambda state: pwd.getpwuid(os.geteuid())
sys.exit(main())
