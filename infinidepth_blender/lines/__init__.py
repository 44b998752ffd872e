"""What straight lines in a photo tell about its camera."""
