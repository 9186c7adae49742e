"""Networks, subnets, ports, routers, floating ips and security groups: OpenStack's network API."""
