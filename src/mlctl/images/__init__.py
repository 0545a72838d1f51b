"""Images: names and mirrors, and the build context that turns an environment into an image. No engine is used here."""
