"""What a quarter's figures are made of: pieces, noise, measures, access, suppression."""
