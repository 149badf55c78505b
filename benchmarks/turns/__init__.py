"""What the machinery of Turns costs when neither the model nor the platform takes any time."""
