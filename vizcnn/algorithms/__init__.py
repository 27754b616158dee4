"""What several methods compute alike: NumPy arrays in, NumPy arrays out."""
