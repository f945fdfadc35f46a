"""Data close to those of the claims: other forms of right ones, and wrong ones, generated from the grammar."""
