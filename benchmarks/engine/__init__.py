"""What the engine costs, beside other engines and beside floors, side by side in one run."""
