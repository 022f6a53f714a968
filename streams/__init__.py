"""Events in, joined and windowed rows out: the streaming half of listenback."""
