"""What goes over the wire: the messages of BuildKit's interfaces that havre reads or writes, with their own numbers."""
