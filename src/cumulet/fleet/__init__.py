"""The controller's side of the nodes: links, hosts, desired state and reports.

Services say through `door` which (kind, ref) shall be on which link; what exactly that means is rendered by the
service when the node asks, so that a change is one row however large the thing is. Nothing here reaches out to a
node: nodes pull.
"""

from cumulet.introduction import Introduction

INTRODUCTION = Introduction("link", 7780, local=True)
