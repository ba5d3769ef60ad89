"""Networks: who may talk to whom, and how a container gets its place there. The engine comes in, by container id only.

``networks.Networks`` is the service; ``driver.Driver`` is what a kind of network must do, ``drivers/`` the kinds
there are; ``ipam`` and ``ports`` keep what is given out, ``firewall`` and ``sandbox`` hold the kernel's side; ``files``
writes a container's hosts and resolv.conf.
"""
