"""HTTP, and nothing about clouds: declared operations, shapes with version windows, faults, collections, the app."""

from cumulet.http.call import Call, Reply
from cumulet.http.faults import Fault
from cumulet.http.operation import Found, Operation, Service, Target
from cumulet.http.shapes import Since, Until, Wire
from cumulet.http.versions import Microversions

__all__ = [
    "Call",
    "Fault",
    "Found",
    "Microversions",
    "Operation",
    "Reply",
    "Service",
    "Since",
    "Target",
    "Until",
    "Wire",
]
