"""Networks; every tensor has a leading axis of members, so that many fits train as one."""
