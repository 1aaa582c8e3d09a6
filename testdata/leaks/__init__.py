"""Attacks on the masks, and what it takes to run them: raw wire clients that keep every byte, a sweep, a comparison of twins."""
