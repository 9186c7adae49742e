"""Networks, subnets, ports, routers, floating ips and security groups: OpenStack's network API."""

from cumulet.introduction import Introduction

INTRODUCTION = Introduction(
    "network", 9696, project="neutron", user="neutron", prefix="/network", public_prefix="/networking"
)
