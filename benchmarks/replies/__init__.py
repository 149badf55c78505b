"""How replies fare under the platforms' rate limits: simulated, over two processes, and under load."""
