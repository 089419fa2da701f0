"""How a suspect is asked: over the network, through a function or by hand, with a journal of what it said."""
