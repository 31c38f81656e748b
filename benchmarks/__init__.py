"""What the module costs and what it does, measured. Run one: `python -m benchmarks.simulate_month`."""
