"""Benches: ratios against bare yardsticks, in interleaved rounds. Nothing here asserts a timing."""
