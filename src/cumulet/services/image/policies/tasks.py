"""Rules of tasks. Glance's finer rules (`get_task`, `add_task`, …) decide nothing any more, only the last one does."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN

RULES = [
    Rule("get_task", "rule:default", "Get an image task"),
    Rule("get_tasks", "rule:default", "List tasks for all images"),
    Rule("add_task", "rule:default", "Create a task"),
    Rule("modify_task", "rule:default", "Not checked anywhere"),
    Rule("tasks_api_access", ADMIN, "Every call of the tasks API"),
]
