"""What an image says of itself, read from its bytes alone: nothing is compiled and nothing is run."""
