"""Who calls, and what they may do: token → caller, and policy under OpenStack's own rule names."""

from cumulet.auth.caller import Caller, Unauthenticated
from cumulet.auth.policy import Forbidden, Policy, Rule

__all__ = ["Caller", "Forbidden", "Policy", "Rule", "Unauthenticated"]
