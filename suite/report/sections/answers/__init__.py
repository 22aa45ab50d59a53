"""What an experiment answers first, by what it asks for."""
