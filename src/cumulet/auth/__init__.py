"""Who calls, and what they may do: token → caller, and policy under OpenStack's own rule names."""

from cumulet.auth.caller import Caller, Unauthenticated
from cumulet.auth.policy import Forbidden, Policy, PolicyError, Rule
from cumulet.auth.policy_file import Policies

__all__ = ["Caller", "Forbidden", "Policies", "Policy", "PolicyError", "Rule", "Unauthenticated"]
