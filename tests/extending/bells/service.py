"""The service of bells: how its errors look, and its rules."""

from __future__ import annotations

from cumulet.http import Service
from cumulet.http.faults import guideline_body
from tests.extending.bells.policies import RULES

bell = Service("bell", faults=guideline_body, scope_types=("project",), rule_prefix="bell")
bell.add_rules(RULES)
