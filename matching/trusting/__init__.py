"""How trust is earned, walked and shown: dealings, letters, vouches; edges, walks, views."""
