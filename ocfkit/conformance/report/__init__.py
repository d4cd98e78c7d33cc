"""What the user gets to see of a check: text for people, JSON and JUnit's XML for programs."""
