"""What recommendations are made of: terms, models, reasons, whose voice counts."""
