"""Long work: durable flows, verbs as values, and the timeline that explains a resource. Knows no service.

A row is the program counter. A step is one short transaction without I/O; a wait is a condition on rows; whoever
changes those rows advances the flow in the same transaction, and the runner is there for time-outs and retries.
"""

from cumulet.engine.flows import Done, Engine, Flow, Next, Outcome, Step, Wait, put_forward, waiting

__all__ = ["Done", "Engine", "Flow", "Next", "Outcome", "Step", "Wait", "put_forward", "waiting"]
