"""How scores are used: the HTTP service, the store, the queue, the console and the command line."""
