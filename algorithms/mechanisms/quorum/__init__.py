"""Rounds that some workers or all take part in: who has offered, who is taken, and the thread that carries them out."""
