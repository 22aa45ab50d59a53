"""How the verbs of the contract are done, free of any framework."""
