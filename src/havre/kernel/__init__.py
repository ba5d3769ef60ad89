"""The only room that talks to Linux: mounts, namespaces, netlink, nftables, cgroups, pidfds, unpacking."""
