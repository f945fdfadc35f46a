"""The law of T_m from m = 10^2 to 10^12: inside the theorem's window of bandwidths, on its border and where it fails.

``python -m benchmarks.asymptotics`` simulates the courses of `courses` and writes a record of them; `record` reads it,
`figure` and `findings` show it.
"""
