"""Long work: flows and jobs, verbs as values, and the timeline that explains a resource. Knows no service.

A flow's row is the program counter. A step is one short transaction without I/O; a wait is a condition on rows; whoever
changes those rows advances the flow in the same transaction, and the runner is there for time-outs and retries. What
takes I/O in this process is a job: a row that a thread claims, and that outlives the process.
"""

from cumulet.engine.flows import Done, Engine, Flow, Next, Outcome, Step, Wait, put_forward, waiting
from cumulet.engine.workers import Again, Failed, Kind, Late, Lost, Run, Workers, WornOut

__all__ = [
    "Again",
    "Done",
    "Engine",
    "Failed",
    "Flow",
    "Kind",
    "Late",
    "Lost",
    "Next",
    "Outcome",
    "Run",
    "Step",
    "Wait",
    "Workers",
    "WornOut",
    "put_forward",
    "waiting",
]
