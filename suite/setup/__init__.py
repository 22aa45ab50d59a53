"""Makes the environment that everything else needs: `python3 suite/setup`, standard library only."""
